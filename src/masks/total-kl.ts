/** How far the masked model is from the full one on all pairs, without their logits leaving the engine. */

import * as tf from '@tensorflow/tfjs-core';
import { klSum } from '../engine/ops/loss.js';
import { batchesByLength } from '../forward/passes.js';
import { heed } from '../heed.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';

/**
 * @param masks flat mask vector, [directions]
 * @returns Σ KL(full ‖ masked) at the last token, nats
 */
export async function totalKl(
  prepared: PreparedPairs,
  masks: Float32Array,
  { signal }: LongCall = {},
): Promise<number> {
  const { model, pairs, forwardTokens } = prepared;
  const lengths = pairs.map(({ clean }) => clean.length);
  let total = 0;
  for (const batch of batchesByLength(lengths, forwardTokens)) {
    await heed(signal);
    const baseline = prepared.baseline(batch);
    const prompts = prepared.prompts(batch);
    try {
      const past = prepared.past(batch);
      const state = await model.run(prompts, { masks, baseline, past }, signal);
      const sum = tf.tidy(() => klSum(model.logits(state), prepared.teacher(batch)));
      total += (await sum.data())[0]!;
      tf.dispose([state, sum]);
    } finally {
      tf.dispose(baseline as unknown as tf.TensorContainer);
    }
  }
  return total;
}
