/** Prompts of different lengths as one rectangle: padded on the left, so that the last token is the last column. */
import type * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import type { EndWeights } from '../models/weights.js';

/** Added to the scores of keys that must not be seen; far below any real score, and exp of it is exactly 0. */
const UNSEEN = -1e9;

export type Embedding = Omit<EndWeights, 'unembed'>;

/**
 * Row-major [batch, count, dModel]: token plus position embeddings; zeros at padding. Looked up on the host: engines
 * lack a good gather.
 * @param count of the columns, from the last; all by default
 * @param shared tokens at the beginning of all prompts that have no columns here
 */
export function embedPrompts(
  prompts: readonly Int32Array[],
  { embed, positions }: Embedding,
  d: number,
  count = longestOf(prompts),
  shared = 0,
): Float32Array {
  const stream = new Float32Array(prompts.length * count * d);
  prompts.forEach((ids, row) => {
    for (let position = Math.max(shared, ids.length - count); position < ids.length; position++) {
      const id = ids[position]!;
      const at = ((row + 1) * count - ids.length + position) * d;
      stream.set(embed.subarray(id * d, (id + 1) * d), at);
      if (positions) for (let i = 0; i < d; i++) stream[at + i]! += positions[position * d + i]!;
    }
  });
  return stream;
}

/**
 * [1, batch, count, longest] (batch 1 where all lengths are equal): 0 for keys at or before the query and not padding.
 * @param count of the queries, from the last; all by default
 * @param shared tokens at the beginning of all prompts that are the first columns, before the padding
 */
export function causalBias(
  prompts: readonly Int32Array[],
  count = longestOf(prompts),
  shared = 0,
): tf.Tensor4D {
  const longest = longestOf(prompts);
  const rows = prompts.every((ids) => ids.length === longest) ? prompts.slice(0, 1) : prompts;
  const bias = new Float32Array(rows.length * count * longest).fill(UNSEEN);
  rows.forEach((ids, row) => {
    for (let query = longest - count; query < longest; query++) {
      const at = ((row + 1) * count - longest + query) * longest;
      bias.fill(0, at, at + shared);
      for (let key = longest - ids.length + shared; key <= query; key++) bias[at + key] = 0;
    }
  });
  return toTensor(bias, [1, rows.length, count, longest]) as tf.Tensor4D;
}

export function longestOf(prompts: readonly Int32Array[]): number {
  return prompts.reduce((longest, ids) => Math.max(longest, ids.length), 0);
}
