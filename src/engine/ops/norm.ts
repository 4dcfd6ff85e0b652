/** LayerNorm and RMSNorm without gain and bias (these are folded into the weights), and their pullback. */
import * as tf from '@tensorflow/tfjs-core';

export type Normalised = {
  /** [n, d]: (x − mean)/√(var + ε), or x/√(mean x² + ε) for RMSNorm. */
  y: tf.Tensor2D;
  /** [n, 1]: the factor 1/√(… + ε). */
  rate: tf.Tensor2D;
};

/** @param x [n, d] */
export function normalise(x: tf.Tensor2D, kind: 'layer' | 'rms', epsilon: number): Normalised {
  return tf.tidy(() => {
    const centred = kind === 'layer' ? tf.sub(x, tf.mean(x, 1, true)) : x;
    const rate = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon)) as tf.Tensor2D;
    return { y: tf.mul(centred, rate) as tf.Tensor2D, rate };
  });
}

/** dx = rate·(dy − mean(dy) − y·mean(dy∘y)); RMSNorm lacks the middle term. Shapes as in {@link normalise}. */
export function normalisePull(dy: tf.Tensor2D, { y, rate }: Normalised, kind: 'layer' | 'rms'): tf.Tensor2D {
  return tf.tidy(() => {
    const along = tf.mul(y, tf.mean(tf.mul(dy, y), 1, true));
    const across = kind === 'layer' ? tf.sub(dy, tf.mean(dy, 1, true)) : dy;
    return tf.mul(tf.sub(across, along), rate);
  });
}
