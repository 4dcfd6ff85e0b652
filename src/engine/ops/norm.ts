/** Normalisations without gain and bias (these are folded into the weights), and their pullbacks. */
import * as tf from '@tensorflow/tfjs-core';
import { hasOnePass, onePass } from './one-pass.js';

export type Normalised = {
  /** [n, d]: (x − mean)/√(var + ε), or x/√(mean x² + ε) for RMSNorm. */
  y: tf.Tensor2D;
  /** [n, 1]: the factor 1/√(… + ε). */
  rate: tf.Tensor2D;
};

/** @param x [n, d] */
export function normalise(x: tf.Tensor2D, kind: 'layer' | 'rms', epsilon: number): Normalised {
  if (hasOnePass('OrthoscopeNormalise')) {
    const [y, rate] = onePass('OrthoscopeNormalise', [x], { factor: epsilon, flag: kind === 'layer' });
    return { y: y as tf.Tensor2D, rate: rate as tf.Tensor2D };
  }
  return tf.tidy(() => {
    const centred = kind === 'layer' ? tf.sub(x, tf.mean(x, 1, true)) : x;
    const rate = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon)) as tf.Tensor2D;
    return { y: tf.mul(centred, rate) as tf.Tensor2D, rate };
  });
}

/** dx = rate·(dy − mean(dy) − y·mean(dy∘y)); RMSNorm lacks the middle term. Shapes as in {@link normalise}. */
export function normalisePull(dy: tf.Tensor2D, { y, rate }: Normalised, kind: 'layer' | 'rms'): tf.Tensor2D {
  if (hasOnePass('OrthoscopeNormalisePull')) {
    const [dx] = onePass('OrthoscopeNormalisePull', [dy, y, rate], { flag: kind === 'layer' });
    return dx as tf.Tensor2D;
  }
  return tf.tidy(() => {
    const along = tf.mul(y, tf.mean(tf.mul(dy, y), 1, true));
    const across = kind === 'layer' ? tf.sub(dy, tf.mean(dy, 1, true)) : dy;
    return tf.mul(tf.sub(across, along), rate);
  });
}

/** `onto` plus {@link normalisePull}, in the shape of `onto`. */
export function normalisePullOnto<T extends tf.Tensor>(
  dy: tf.Tensor2D,
  normalised: Normalised,
  kind: 'layer' | 'rms',
  onto: T,
): T {
  const { y, rate } = normalised;
  if (hasOnePass('OrthoscopeNormalisePullOnto'))
    return onePass('OrthoscopeNormalisePullOnto', [dy, y, rate, onto], { flag: kind === 'layer' })[0] as T;
  return tf.tidy(() => tf.add<T>(onto, tf.reshape(normalisePull(dy, normalised, kind), onto.shape)));
}

/**
 * The factor that an RMSNorm puts on what a matrix wrote, where the norm's gain is folded into the matrix:
 * 1/√(Σ_i w_i y_i² + ε) along the last axis (`LayerWeights.norms`).
 * @param weights [n]
 * @returns the shape of y, its last axis 1
 */
export function outputRate<T extends tf.Tensor>(y: T, weights: tf.Tensor1D, epsilon: number): T {
  return tf.tidy(() => tf.rsqrt(tf.add(tf.sum(tf.mul(tf.square(y), weights), -1, true), epsilon)) as T);
}

/**
 * The pullback of {@link outputRate}: dy = −rate³ w y dRate.
 * @param dRate gradient by the rate, its shape
 */
export function outputRatePull<T extends tf.Tensor>(dRate: T, y: T, rate: T, weights: tf.Tensor1D): T {
  return tf.tidy(() => {
    const slope = tf.mul(dRate, tf.mul(tf.neg(rate), tf.square(rate)));
    return tf.mul(tf.mul(y, weights), slope) as T;
  });
}
