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
        const slope = withSlope ? tf.mul(gate, tf.add(tf.mul(x, tf.sub(1, gate)), 1)) : null;
        return { y: tf.mul(x, gate), slope: slope as tf.Tensor2D | null };
      }
      case 'gelu_new': {
        const cubic = tf.mul(tf.square(x), GELU_CUBIC);
        const gate = tf.tidy(() => tf.sigmoid(tf.mul<tf.Tensor2D>(x, tf.add(cubic, GELU_LINEAR))));
        const y = tf.mul<tf.Tensor2D>(x, gate);
        if (!withSlope) return { y, slope: null };
        // s + x·s·(1 − s)·dv/dx
        const slope = tf.tidy(() => {
          const dv = tf.add(tf.mul(cubic, 3), GELU_LINEAR);
          return tf.mul<tf.Tensor2D>(gate, tf.add(tf.mul(tf.sub(x, y), dv), 1));
        });
        return { y, slope };
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
