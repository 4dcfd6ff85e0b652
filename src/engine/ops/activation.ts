/** Activation functions and their pullbacks, in few passes: elementwise work is what portable engines are slow at. */
import * as tf from '@tensorflow/tfjs-core';
import { Activation as Numbers } from '../../../assembly/layout.js';
import type { Activation } from '../../models/architecture.js';
import { hasOnePass, onePass } from './one-pass.js';
import { tidy } from './tidy.js';

/** Numbers of the functions in assembly/, and in `fused.h`. */
export const KINDS: Record<Activation, number> = {
  relu: Numbers.RELU,
  silu: Numbers.SILU,
  gelu_new: Numbers.GELU_NEW,
  gelu: Numbers.GELU,
};

/** A value, and what its pullback needs; null unless asked for. */
interface Applied<Kept> {
  y: tf.Tensor2D;
  kept: Kept | null;
}

/** x where the engine computes slopes in the pullback's own pass; elsewhere dy/dx, made beside y in the same passes. */
export type ActivationTrace = tf.Tensor2D;

/** Of f(gate)·up: both, and f(gate) with its slope where they were made beside it. */
export interface GateTrace {
  gate: tf.Tensor2D;
  up: tf.Tensor2D;
  own: { y: tf.Tensor2D; slope: tf.Tensor2D } | null;
}

/**
 * Whether the engine multiplies by what activations and their pullbacks give without writing it to memory
 * (`FrozenLinear.applyActivated`).
 */
export function activatesInProducts(): boolean {
  return hasOnePass('OrthoscopeProductOfActivated') && hasOnePass('OrthoscopeActivate');
}

/** f(x), elementwise. */
export function activate(x: tf.Tensor2D, kind: Activation, pulled: boolean): Applied<ActivationTrace> {
  if (hasOnePass('OrthoscopeActivate')) {
    const [y] = onePass('OrthoscopeActivate', [x], { kind: KINDS[kind] }) as [tf.Tensor2D];
    return { y, kept: pulled ? tf.clone(x) : null };
  }
  const { y, slope } = composed(x, kind, pulled);
  return { y, kept: slope };
}

/** dy·f′(x), elementwise. */
export function activatePull(dy: tf.Tensor2D, kept: ActivationTrace, kind: Activation): tf.Tensor2D {
  if (!hasOnePass('OrthoscopeActivatePull')) return tf.mul(dy, kept);
  return onePass('OrthoscopeActivatePull', [dy, kept], { kind: KINDS[kind] })[0] as tf.Tensor2D;
}

/** f(gate)·up, elementwise. */
export function activateGate(
  gate: tf.Tensor2D,
  up: tf.Tensor2D,
  kind: Activation,
  pulled: boolean,
): Applied<GateTrace> {
  if (hasOnePass('OrthoscopeGate')) {
    const [y] = onePass('OrthoscopeGate', [gate, up], { kind: KINDS[kind] }) as [tf.Tensor2D];
    return { y, kept: pulled ? { gate: tf.clone(gate), up: tf.clone(up), own: null } : null };
  }
  return tidy((): Applied<GateTrace> => {
    const { y, slope } = composed(gate, kind, pulled);
    const kept = slope && { gate: tf.clone(gate), up: tf.clone(up), own: { y, slope } };
    return { y: tf.mul(y, up), kept };
  });
}

/** Gradients by the gate's input and by what it multiplies. */
export function activateGatePull(
  dy: tf.Tensor2D,
  { gate, up, own }: GateTrace,
  kind: Activation,
): { dGate: tf.Tensor2D; dUp: tf.Tensor2D } {
  if (own) return { dGate: tf.tidy(() => tf.mul(tf.mul(dy, up), own.slope)), dUp: tf.mul(dy, own.y) };
  const [dGate, dUp] = onePass('OrthoscopeGatePull', [dy, gate, up], { kind: KINDS[kind] });
  return { dGate: dGate as tf.Tensor2D, dUp: dUp as tf.Tensor2D };
}

/** gelu_new is x·s(v) with s the sigmoid and v = 2√(2/π)(x + 0.044715x³): tanh as a sigmoid, fast everywhere. */
const GELU_LINEAR = 2 * Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715 * GELU_LINEAR;

/** f(x) from the engine's own operations, and unless it is not wanted its slope in the same passes. */
function composed(
  x: tf.Tensor2D,
  kind: Activation,
  withSlope: boolean,
): { y: tf.Tensor2D; slope: tf.Tensor2D | null } {
  return tidy((): { y: tf.Tensor2D; slope: tf.Tensor2D | null } => {
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
