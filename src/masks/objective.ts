/** Loss and gradient of a mask vector on a batch of prompt pairs, in micro-batches that fit the memory. */
import * as tf from '@tensorflow/tfjs-core';
import { klSum, klWithPull, type LossKind, type LossTargets, lossPull, lossSum } from '../engine/ops/loss.js';
import { toTensor } from '../engine/tensor.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { batchesByLength } from '../forward/passes.js';
import type { LossHead } from '../forward/transformer.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';

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
 * @throws InterruptedError if the signal fires
 */
export async function objective(
  prepared: PreparedPairs,
  indices: readonly number[],
  masks: Float32Array,
  kind: LossKind,
  maxTokens: number,
  { signal }: LongCall = {},
): Promise<Objective> {
  const { model } = prepared;
  const gradient = new Float32Array(masks.length);
  let kl = 0;
  let loss = 0;
  const lengths = indices.map((index) => prepared.pairs[index]!.clean.length);
  for (const batch of batchesByLength(lengths, maxTokens)) {
    const members = batch.map((at) => indices[at]!);
    const head = lossHead(prepared, members, kind, indices.length);
    const baseline = prepared.baseline(members);
    const prompts = prepared.prompts(members);
    try {
      const options = { past: prepared.past(members), signal };
      const part = await model.gradient(prompts, masks, baseline, head, options);
      for (let i = 0; i < part.gradient.length; i++) gradient[i]! += part.gradient[i]!;
      const [klPart, lossPart] = part.values;
      kl += klPart! / indices.length;
      loss += (lossPart ?? klPart!) / indices.length;
    } finally {
      tf.dispose([head.inputs, baseline] as unknown as tf.TensorContainer);
    }
  }
  return { kl, loss, gradient };
}

/**
 * The loss of some prompts, as their share of `total`. Its values are Σ KL and, where that is not the loss, Σ loss.
 * @param members indices of pairs
 */
export function lossHead(
  prepared: PreparedPairs,
  members: number[],
  kind: LossKind,
  total: number,
): LossHead {
  const { model } = prepared;
  const states = prepared.teacherStates(members);
  const marked = labels(kind, prepared.pairs, members, model.architecture.nVocab);
  return {
    key: { loss: kind, total },
    inputs: [states, ...Object.values(marked)],
    pull: (logits) => {
      const targets = { teacher: model.logits(states), ...marked };
      if (kind === 'kl') {
        const { sum, dLogits } = klWithPull(logits, targets.teacher, 1 / total);
        return { dLogits, values: [sum] };
      }
      const values = [klSum(logits, targets.teacher), lossSum(kind, logits, targets)];
      return { dLogits: tf.div(lossPull(kind, logits, targets), total), values };
    },
  };
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
