/** Logits at the last token, full and masked, brought to the host. */
import * as tf from '@tensorflow/tfjs-core';
import type { MaskedPassOptions } from '../forward/masked-model.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';

export interface LastLogits {
  /** Of what masks are compared with: the unmasked model, or other masks. Row-major [indices, nVocab]. */
  full: Float32Array;
  /** Of the masked model, same shape. */
  masked: Float32Array;
}

/** What is changed in the masked passes besides masks, for the pairs of a batch. */
export type Changes = (indices: readonly number[]) => Pick<MaskedPassOptions, 'hooks' | 'positions'>;

/**
 * @param masks flat mask vector, [directions]
 * @param against masks to compare with; the unmasked model where absent
 */
export async function lastLogits(
  prepared: PreparedPairs,
  indices: readonly number[],
  masks: Float32Array,
  against?: Float32Array,
  { signal, changes }: LongCall & { changes?: Changes | null } = {},
): Promise<LastLogits> {
  const { model } = prepared;
  const baseline = prepared.baseline(indices);
  const under = async (masks: Float32Array) => {
    const own = changes?.(indices) ?? {};
    const past = own.hooks && !model.runsLastAlone(own) ? null : prepared.past(indices);
    const state = await model.run(prepared.prompts(indices), { masks, baseline, past, ...own }, signal);
    return read(model.logits(state), state);
  };
  try {
    const full = await (against ? under(against) : read(prepared.teacher(indices)));
    const masked = await under(masks);
    return { full, masked };
  } finally {
    tf.dispose(baseline as unknown as tf.TensorContainer);
  }
}

/** The values of a tensor, which is then disposed of with some others. */
async function read(tensor: tf.Tensor, ...others: tf.Tensor[]): Promise<Float32Array> {
  const values = (await tensor.data()) as Float32Array;
  tf.dispose([tensor, ...others]);
  return values;
}
