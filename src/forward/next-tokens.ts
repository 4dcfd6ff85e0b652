/** What a model says next, and how likely it finds a prompt. */
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine/engine.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { Transformer } from './transformer.js';

export interface NextTokens {
  /** The likeliest tokens after the prompt with their log-probabilities, descending. */
  likeliest: { id: number; logProbability: number }[];
  /** Mean log-probability of the prompt's tokens from the second on; null where there is only one. */
  promptLogProbability: number | null;
}

/** Numbers in the logits that are there at once. */
const LOGITS_AT_ONCE = 2 ** 24;

/**
 * Loads the model as it is and runs the prompt.
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
  const plain = await Transformer.load(engine, model, call);
  const { nVocab, dModel } = plain.architecture;
  const states = plain.forward([ids], { ends: 'all' });
  const slice = Math.max(1, Math.floor(LOGITS_AT_ONCE / nVocab));
  let ofPrompt = 0;
  let last = new Float32Array(0);
  for (let from = 0; from < ids.length; from += slice) {
    const rows = Math.min(slice, ids.length - from);
    const logs = tf.tidy(() => tf.logSoftmax(plain.logits(tf.slice(states, [from, 0], [rows, dModel]))));
    const values = (await logs.data()) as Float32Array;
    logs.dispose();
    for (let row = 0; row < rows; row++) {
      const next = ids[from + row + 1];
      if (next === undefined) last = values.slice(row * nVocab, (row + 1) * nVocab);
      else ofPrompt += values[row * nVocab + next]!;
    }
  }
  states.dispose();
  plain.dispose();
  const order = Array.from(last.keys()).sort((a, b) => last[b]! - last[a]!);
  return {
    likeliest: order.slice(0, count).map((id) => ({ id, logProbability: last[id]! })),
    promptLogProbability: ids.length > 1 ? ofPrompt / (ids.length - 1) : null,
  };
}
