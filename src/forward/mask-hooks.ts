/** Masks as hooks on the coefficients that they scale. */
import * as tf from '@tensorflow/tfjs-core';
import { hasOnePass, onePass } from '../engine/ops/one-pass.js';
import type { Hook } from './places.js';
import { firstOf, joinPositions, lastOf } from './positions.js';

/**
 * Mixes coefficients with what replaces those that are masked out: c = ỹ + m·(y − ỹ).
 * @param mask [directions]
 * @param baseline ỹ, [rows, directions] or [1, directions]; zero if absent
 * @param record takes the mask's gradient, [directions], and owns it; null in passes that are not pulled back
 */
export function maskHook(
  mask: tf.Tensor1D,
  baseline: tf.Tensor2D | undefined,
  record: ((gradient: tf.Tensor1D) => void) | null,
): Hook {
  let difference: tf.Tensor;
  const replace = (own: tf.Tensor) => {
    let mixed: tf.Tensor;
    if (baseline && hasOnePass('OrthoscopeMix'))
      [mixed, difference] = onePass('OrthoscopeMix', [own, baseline, mask]) as [tf.Tensor, tf.Tensor];
    else {
      difference = baseline ? tf.sub(own, baseline) : own;
      const kept = tf.mul(difference, mask);
      mixed = baseline ? tf.add(baseline, kept) : kept;
    }
    // The pullback needs it after the block's own tensors are disposed of.
    if (record) tf.keep(difference);
    return mixed;
  };
  if (!record) return { replace };
  return {
    replace,
    pull(gradient) {
      const [dOwn, dMask] = pullMix(gradient, difference, mask);
      record(tf.keep(dMask));
      difference.dispose();
      return dOwn;
    },
  };
}

/** Gradients by a place's own coefficients and by its mask. */
function pullMix(gradient: tf.Tensor, difference: tf.Tensor, mask: tf.Tensor1D): [tf.Tensor, tf.Tensor1D] {
  if (hasOnePass('OrthoscopeMixPull'))
    return onePass('OrthoscopeMixPull', [gradient, difference, mask]) as [tf.Tensor, tf.Tensor1D];
  return [tf.mul(gradient, mask), sumRows(tf.mul(difference, gradient))];
}

/**
 * A hook that sees the last position of each prompt alone, where its place has more.
 * @param hook on [batch, directions]
 */
export function onLastPosition({ replace, pull }: Hook, batch: number): Hook {
  const last = (change: (x: tf.Tensor) => tf.Tensor) => (x: tf.Tensor) => {
    const [n] = x.shape as [number, number];
    if (n === batch) return change(x);
    const all = x as tf.Tensor2D;
    const changed = change(lastOf(all, batch, 1)) as tf.Tensor2D;
    return joinPositions(batch, firstOf(all, batch, n / batch - 1), changed);
  };
  return { ...(replace && { replace: last(replace) }), ...(pull && { pull: last(pull) }) };
}

/** Sum over rows, [n, k] → [k], as a product with ones: reductions along columns are slow on wasm. */
export function sumRows(x: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(tf.matMul(tf.ones([1, x.shape[0]]), x), [x.shape[1]]);
}
