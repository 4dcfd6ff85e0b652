/** Logits at the last token, full and masked, brought to the host. */
import * as tf from '@tensorflow/tfjs-core';
import type { MaskedPassOptions } from '../forward/masked-model.js';
import { Written } from '../forward/narrow.js';
import type { KeysValues, Past } from '../forward/past.js';
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
  call: LongCall & { changes?: Changes | null } = {},
): Promise<LastLogits> {
  const found: Float32Array[] = [];
  for await (const { logits } of lastLogitsOfEach(prepared, indices, [masks], against, call))
    found.push(logits);
  return { full: found[0]!, masked: found[1]! };
}

/**
 * Logits of several mask vectors, with one preparation of the prompts: what is compared with is computed once, so is
 * what replacements write, and what vectors with equal QK masks do before the last position.
 * @returns first what masks are compared with, as -1; then each by its place in the list, in any order
 */
export async function* lastLogitsOfEach(
  prepared: PreparedPairs,
  indices: readonly number[],
  all: readonly Float32Array[],
  against?: Float32Array,
  { signal, changes }: LongCall & { changes?: Changes | null } = {},
): AsyncGenerator<{ at: number; logits: Float32Array }> {
  const { model } = prepared;
  const prompts = prepared.prompts(indices);
  const baseline = prepared.baseline(indices);
  const written = new Written();
  const own = changes?.(indices) ?? {};
  const under = async (masks: Float32Array, past: Past | null) => {
    const state = await model.run(prompts, { masks, baseline, written, past, ...own }, signal);
    return read(model.logits(state), state);
  };
  const kept = () => (own.hooks && !model.runsLastAlone(own) ? null : prepared.past(indices));
  try {
    yield { at: -1, logits: await (against ? under(against, kept()) : read(prepared.teacher(indices))) };
    for (const group of own.hooks ? all.map((_, at) => [at]) : model.groupsOfEqualPast(all)) {
      const shared =
        group.length > 1 && !kept() ? await model.maskedPast(prompts, all[group[0]!]!, signal) : null;
      try {
        for (const at of group) yield { at, logits: await under(all[at]!, shared ? copies(shared) : kept()) };
      } finally {
        tf.dispose((shared ?? []) as unknown as tf.TensorContainer);
      }
    }
  } finally {
    written.dispose();
    tf.dispose(baseline as unknown as tf.TensorContainer);
  }
}

function* copies(past: readonly KeysValues[]): Past {
  for (const { keys, values } of past) yield { keys: tf.clone(keys), values: tf.clone(values) };
}

/** The values of a tensor, which is then disposed of with some others. */
async function read(tensor: tf.Tensor, ...others: tf.Tensor[]): Promise<Float32Array> {
  const values = (await tensor.data()) as Float32Array;
  tf.dispose([tensor, ...others]);
  return values;
}
