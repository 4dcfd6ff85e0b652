/** Trains all weights of a model to predict sentences, token by token. */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../src/engine/tensor.js';
import { throwIfAborted } from '../src/errors.js';
import { type AdamWState, adamWStep, freshAdamW } from '../src/masks/optimiser.js';
import type { LongCall } from '../src/progress.js';
import type { Random } from '../src/random.js';
import { batchOf, disposeBatch, type SentenceBatch } from './sentence-batch.js';
import type { Sentence } from './sentences.js';
import { forward, type Gpt2Shape, type Parameters, type Tensor } from './trainable-gpt2.js';

export interface LanguageModelling {
  steps: number;
  /** Sentences a step. */
  batchSize: number;
  /** Highest learning rate: it rises linearly over the first `warmup` steps and falls linearly to 0 over the last half. */
  lr: number;
  warmup: number;
  betas: [number, number];
  eps: number;
  /** AdamW's, on matrices and embeddings; gains and biases are left alone. */
  weightDecay: number;
  /** How many tokens of a prompt its answer counts as much as. */
  answerWeight: number;
}

/**
 * Changes the parameters in place, by AdamW on the weighted cross-entropy. Sentences are shuffled anew each time all
 * have been seen. The open engine must have gradients for every operation: the native one.
 * @returns the loss of each step, nats a token
 * @throws InterruptedError if the signal fires
 */
export async function trainOnSentences(
  shape: Gpt2Shape,
  parameters: Parameters,
  sentences: readonly Sentence[],
  settings: LanguageModelling,
  random: Random,
  { onProgress, signal }: LongCall = {},
): Promise<number[]> {
  const { steps, batchSize, answerWeight } = settings;
  const states = new Map([...parameters].map(([name, { data }]) => [name, freshAdamW(data.length)]));
  const losses: number[] = [];
  let order: Sentence[] = [];
  while (losses.length < steps) {
    throwIfAborted(signal);
    if (order.length < batchSize) order = random.shuffle([...sentences]);
    const batch = batchOf(order.splice(-batchSize), shape, answerWeight);
    const { loss, gradients } = await lossAndGradients(shape, parameters, batch);
    disposeBatch(batch);
    update(parameters, gradients, states, { ...settings, lr: learningRate(settings, losses.length) });
    losses.push(loss);
    onProgress?.({ stage: 'train', done: losses.length, total: steps, note: `loss ${loss.toFixed(4)}` });
  }
  return losses;
}

function learningRate({ lr, warmup, steps }: LanguageModelling, step: number): number {
  return lr * Math.min(1, (step + 1) / warmup, (steps - step) / (steps / 2));
}

async function lossAndGradients(
  shape: Gpt2Shape,
  parameters: Parameters,
  batch: SentenceBatch,
): Promise<{ loss: number; gradients: Float32Array[] }> {
  const names = [...parameters.keys()];
  const weights = [...parameters.values()].map(({ data, shape }) => toTensor(data, shape));
  const crossEntropy = (...tensors: Tensor[]) => {
    const named = new Map(names.map((name, i) => [name, tensors[i]!]));
    const logits = forward(shape, named, batch);
    return tf.neg(tf.sum<tf.Scalar>(tf.mul(tf.logSoftmax(logits), batch.targets)));
  };
  const { value, grads } = tf.valueAndGrads(crossEntropy)(weights);
  const loss = (await value.data())[0]!;
  const gradients = (await Promise.all(grads.map((gradient) => gradient.data()))) as Float32Array[];
  tf.dispose([value, ...grads, ...weights]);
  return { loss, gradients };
}

function update(
  parameters: Parameters,
  gradients: Float32Array[],
  states: ReadonlyMap<string, AdamWState>,
  settings: LanguageModelling,
): void {
  [...parameters].forEach(([name, { data, shape }], i) => {
    const weightDecay = shape.length > 1 ? settings.weightDecay : 0;
    adamWStep(data, gradients[i]!, states.get(name)!, { ...settings, weightDecay });
  });
}
