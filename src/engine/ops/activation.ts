/** Activation functions with their slopes, in few passes: elementwise work is what portable engines are slow at. */
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../../models/architecture.js';
import { tidy } from './tidy.js';

export interface Activated {
  y: tf.Tensor2D;
  /** dy/dx, elementwise; null unless asked for. */
  slope: tf.Tensor2D | null;
}

/** gelu_new is x·s(v) with s the sigmoid and v = 2√(2/π)(x + 0.044715x³): tanh as a sigmoid, fast everywhere. */
const GELU_LINEAR = 2 * Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715 * GELU_LINEAR;

/**
 * Of gelu_new, gelu, relu or silu. The slope is made in the same passes, since the pullback then needs
 * one product and neither x nor y has to be kept.
 */
export function activate(x: tf.Tensor2D, kind: Activation, withSlope: boolean): Activated {
  return tidy((): Activated => {
    switch (kind) {
      case 'relu':
        return { y: tf.relu(x), slope: withSlope ? tf.step(x) : null };
      case 'silu': {
        const gate = tf.sigmoid(x);
        return { y: tf.mul(x, gate), slope: withSlope ? gatedSlope(gate, x) : null };
      }
      case 'gelu_new': {
        const v = tf.mul<tf.Tensor2D>(x, tf.add(tf.mul(tf.square(x), GELU_CUBIC), GELU_LINEAR));
        const gate = tf.sigmoid(v);
        if (!withSlope) return { y: tf.mul(x, gate), slope: null };
        // x·dv/dx = 3v − 2·2√(2/π)·x
        const inner = tf.sub<tf.Tensor2D>(tf.mul(v, 3), tf.mul(x, 2 * GELU_LINEAR));
        return { y: tf.mul(x, gate), slope: gatedSlope(gate, inner) };
      }
      case 'gelu': {
        const cumulative = tf.mul<tf.Tensor2D>(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
        const y = tf.mul<tf.Tensor2D>(x, cumulative);
        if (!withSlope) return { y, slope: null };
        const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return { y, slope: tf.add<tf.Tensor2D>(cumulative, tf.mul(x, density)) };
      }
    }
  });
}

/** d/dx of x·s(v(x)) with s the sigmoid: s·(1 + x·v'·(1 − s)), given x·v' as `inner`. */
function gatedSlope(gate: tf.Tensor2D, inner: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(gate, tf.add(tf.mul(inner, tf.sub(1, gate)), 1));
}
