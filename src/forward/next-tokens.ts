/** What the unmasked model says next, and how likely it finds a prompt. */
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine/engine.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { MaskedModel } from './masked-model.js';
import { batchesByLength, FULL_PASSES } from './passes.js';

export interface NextTokens {
  /** The likeliest tokens after the prompt with their log-probabilities, descending. */
  likeliest: { id: number; logProbability: number }[];
  /** Mean log-probability of the prompt's tokens from the second on; null where there is only one. */
  promptLogProbability: number | null;
}

/**
 * Loads the model without directions and runs every beginning of the prompt.
 * @param ids a prompt of at least one token
 * @param count how many tokens to list
 */
export async function nextTokens(
  engine: Engine,
  model: Model,
  ids: Int32Array,
  count: number,
  call: LongCall = {},
): Promise<NextTokens> {
  const nothing = { key: '', computed: 0, layer: async () => new Map() };
  const plain = await MaskedModel.load(engine, model, nothing, { kinds: [], ...call });
  const beginnings = Array.from(ids, (_, end) => ids.slice(0, end + 1));
  const ofNext = new Float64Array(ids.length);
  let last = new Float32Array(0);
  for (const batch of batchesByLength(
    beginnings.map(({ length }) => length),
    FULL_PASSES.forward,
  )) {
    const { state } = plain.forward(batch.map((index) => beginnings[index]!));
    const logs = tf.tidy(() => tf.logSoftmax(plain.logits(state)));
    const values = (await logs.data()) as Float32Array;
    const nVocab = logs.shape[1];
    tf.dispose([state, logs]);
    batch.forEach((index, row) => {
      if (index === ids.length - 1) last = values.slice(row * nVocab, (row + 1) * nVocab);
      else ofNext[index] = values[row * nVocab + ids[index + 1]!]!;
    });
  }
  plain.dispose();
  const order = Array.from(last.keys()).sort((a, b) => last[b]! - last[a]!);
  return {
    likeliest: order.slice(0, count).map((id) => ({ id, logProbability: last[id]! })),
    promptLogProbability:
      ids.length > 1 ? ofNext.reduce((sum, value) => sum + value, 0) / (ids.length - 1) : null,
  };
}
