/** The normalisation that attention and MLP may pass before they join the stream (Gemma), live in every pass. */
import * as tf from '@tensorflow/tfjs-core';
import { outputRate, outputRatePull } from '../engine/ops/norm.js';

export interface OutputNormTrace {
  /** [batch, positions, dModel]: what was written, the gain in it. */
  written: tf.Tensor3D;
  /** [batch, positions, 1]. */
  rate: tf.Tensor3D;
}

/** @param weights of the mean square, [dModel]; undefined where nothing is normalised */
export function outputNorm(
  written: tf.Tensor3D,
  weights: tf.Tensor1D | undefined,
  epsilon: number,
): { y: tf.Tensor3D; trace: OutputNormTrace | null } {
  if (!weights) return { y: written, trace: null };
  const rate = outputRate(written, weights, epsilon);
  return { y: tf.mul(written, rate), trace: { written, rate } };
}

/** Gradient by what was written. */
export function outputNormPull(
  dy: tf.Tensor3D,
  trace: OutputNormTrace | null,
  weights: tf.Tensor1D | undefined,
): tf.Tensor3D {
  if (!trace || !weights) return dy;
  const { written, rate } = trace;
  const dRate = tf.sum(tf.mul(dy, written), -1, true) as tf.Tensor3D;
  return tf.add(tf.mul(dy, rate), outputRatePull(dRate, written, rate, weights));
}
