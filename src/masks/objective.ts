/** Loss and gradient of a mask vector on a batch of prompt pairs, in micro-batches that fit the memory. */
import * as tf from '@tensorflow/tfjs-core';
import { klSum, type LossKind, type LossTargets, lossPull, lossSum } from '../engine/ops/loss.js';
import { toTensor } from '../engine/tensor.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { batchesByLength } from './padded-prompts.js';
import type { PreparedPairs } from './prepared-pairs.js';

export interface Objective {
  /** Mean KL(full ‖ masked) at the last token, in nats. */
  kl: number;
  /** Mean of the loss (the same as `kl` for that loss); without the sparsity term. */
  loss: number;
  /** Gradient of `loss` by the masks (not their logits), [directions]. */
  gradient: Float32Array;
}

/**
 * @param masks values that the forward pass uses, [directions]
 * @param indices which pairs
 * @param maxTokens positions (padding included) in one micro-batch
 */
export async function objective(
  prepared: PreparedPairs,
  indices: readonly number[],
  masks: Float32Array,
  kind: LossKind,
  maxTokens: number,
): Promise<Objective> {
  const { model } = prepared;
  const nVocab = model.architecture.nVocab;
  const gradient = new Float32Array(masks.length);
  let kl = 0;
  let loss = 0;
  const lengths = indices.map((index) => prepared.pairs[index]!.clean.length);
  for (const batch of batchesByLength(lengths, maxTokens)) {
    const members = batch.map((at) => indices[at]!);
    const targets = { teacher: prepared.teacher(members), ...labels(kind, prepared.pairs, members, nVocab) };
    const baseline = prepared.baseline(members);
    const sums: tf.Scalar[] = [];
    const pull = (logits: tf.Tensor2D) => {
      sums.push(tf.keep(klSum(logits, targets.teacher)));
      if (kind !== 'kl') sums.push(tf.keep(lossSum(kind, logits, targets)));
      return tf.div<tf.Tensor2D>(lossPull(kind, logits, targets), indices.length);
    };
    const prompts = prepared.prompts(members);
    const part = await model.gradient(prompts, masks, baseline, pull, prepared.past(members));
    for (let i = 0; i < part.length; i++) gradient[i]! += part[i]!;
    const klPart = (await sums[0]!.data())[0]!;
    kl += klPart / indices.length;
    loss += (sums[1] ? (await sums[1].data())[0]! : klPart) / indices.length;
    tf.dispose([sums, targets, baseline] as unknown as tf.TensorContainer);
  }
  return { kl, loss, gradient };
}

/** Answer tensors for the losses that need them. */
function labels(
  kind: LossKind,
  pairs: readonly TokenPair[],
  members: number[],
  nVocab: number,
): Pick<LossTargets, 'answers' | 'contrast'> {
  if (kind === 'kl') return {};
  const values = new Float32Array(members.length * nVocab);
  members.forEach((index, row) => {
    const { answers, distractors } = pairs[index]!;
    const share = kind === 'logit_diff' ? 1 / answers.length : 1;
    for (const id of answers) values[row * nVocab + id] = share;
    if (kind === 'logit_diff')
      for (const id of distractors) values[row * nVocab + id]! -= 1 / distractors.length;
  });
  const tensor = toTensor(values, [members.length, nVocab]) as tf.Tensor2D;
  return kind === 'logit_diff' ? { contrast: tensor } : { answers: tensor };
}
