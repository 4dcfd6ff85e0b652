/** Logits at the last token, full and masked, brought to the host. */
import * as tf from '@tensorflow/tfjs-core';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';

export interface LastLogits {
  /** Of the unmasked model, row-major [indices, nVocab]. */
  full: Float32Array;
  /** Of the masked model, same shape. */
  masked: Float32Array;
}

/** @param masks flat mask vector, [directions] */
export async function lastLogits(
  prepared: PreparedPairs,
  indices: readonly number[],
  masks: Float32Array,
): Promise<LastLogits> {
  const { model } = prepared;
  const teacher = prepared.teacher(indices);
  const baseline = prepared.baseline(indices);
  const past = prepared.past(indices);
  const state = model.forward(prepared.prompts(indices), { masks, baseline, past });
  const logits = model.logits(state);
  const result = {
    full: (await teacher.data()) as Float32Array,
    masked: (await logits.data()) as Float32Array,
  };
  tf.dispose([teacher, baseline, state, logits] as unknown as tf.TensorContainer);
  return result;
}
