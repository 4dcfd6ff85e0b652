/** The MLP of a block; each of its matrices is passed plain, or at masked positions through its directions. */
import * as tf from '@tensorflow/tfjs-core';
import { activate } from '../engine/ops/activation.js';
import type { FrozenLinear } from '../engine/ops/linear.js';
import type { Kind } from '../models/components.js';
import { withRest } from './bases.js';
import type { BlockInput } from './block-input.js';
import { backward, changes, coefficientsOf, onward } from './places.js';
import { byPart, lastOf, type Span } from './positions.js';

/** What the pullback of the hidden layer needs, [batch·queries, dMlp] each. */
export interface MlpTrace {
  /** Slope of the activation; null in passes that are not pulled back. */
  slope: tf.Tensor2D | null;
  /** Gated MLPs only: activation(gate), and what it multiplies. */
  gated: { gate: tf.Tensor2D; up: tf.Tensor2D } | null;
}

/**
 * @param x [batch·queries, dModel]
 * @returns the output, of the same shape
 */
export function mlpForward(
  x: tf.Tensor2D,
  span: Span,
  input: BlockInput,
): { output: tf.Tensor2D; trace: MlpTrace } {
  const { weights, architecture, hooks, trace } = input;
  const { activation, gatedMlp } = architecture;
  const through = (kind: Kind, plain: FrozenLinear, value: tf.Tensor2D) =>
    matrixForward(kind, plain, value, span, input);
  if (!gatedMlp) {
    const { y, slope } = activate(through('mlp_in', weights.mlpIn, x), activation, trace);
    const hidden = onward(hooks.mlpHidden, y);
    return { output: through('mlp_out', weights.mlpOut, hidden), trace: { slope, gated: null } };
  }
  const up = through('mlp_up', weights.mlpIn, x);
  const { y: gate, slope } = activate(through('mlp_gate', weights.mlpGate!, x), activation, trace);
  const hidden = onward(hooks.mlpHidden, tf.mul<tf.Tensor2D>(gate, up));
  return { output: through('mlp_down', weights.mlpOut, hidden), trace: { slope, gated: { gate, up } } };
}

/** @param dy gradient by the output; returns that by the input */
export function mlpPull(
  dy: tf.Tensor2D,
  { slope, gated }: MlpTrace,
  span: Span,
  input: BlockInput,
): tf.Tensor2D {
  const { weights, hooks } = input;
  const back = (kind: Kind, plain: FrozenLinear, dValue: tf.Tensor2D) =>
    matrixPull(kind, plain, dValue, span, input);
  if (!gated) {
    const dHidden = backward(hooks.mlpHidden, back('mlp_out', weights.mlpOut, dy));
    return back('mlp_in', weights.mlpIn, tf.mul(dHidden, slope!));
  }
  const dHidden = backward(hooks.mlpHidden, back('mlp_down', weights.mlpOut, dy));
  const throughUp = back('mlp_up', weights.mlpIn, tf.mul(dHidden, gated.gate));
  const dGate = tf.mul<tf.Tensor2D>(tf.mul(dHidden, gated.up), slope!);
  return tf.add(throughUp, back('mlp_gate', weights.mlpGate!, dGate));
}

/** A matrix with its bias, by way of its coefficients where there is a hook on them. */
function matrixForward(
  kind: Kind,
  plain: FrozenLinear,
  x: tf.Tensor2D,
  span: Span,
  { weights, hooks }: BlockInput,
): tf.Tensor2D {
  const hook = hooks[coefficientsOf(kind)];
  if (!hook) return plain.apply(x);
  const basis = weights.mlp[kind]!;
  const { read, write } = basis;
  if (changes(hook))
    return byPart(
      x,
      span,
      (first) => plain.apply(first),
      (last) => withRest(write.apply(onward(hook, read.apply(last))), basis, () => plain.apply(last)),
    );
  onward(hook, read.apply(lastOf(x, span.batch, span.masked)));
  return plain.apply(x);
}

/** The pullback of {@link matrixForward}. */
function matrixPull(
  kind: Kind,
  plain: FrozenLinear,
  dy: tf.Tensor2D,
  span: Span,
  { weights, hooks }: BlockInput,
): tf.Tensor2D {
  const hook = hooks[coefficientsOf(kind)];
  if (!changes(hook)) return plain.pull(dy);
  const { read, write } = weights.mlp[kind]!;
  return byPart(
    dy,
    span,
    (first) => plain.pull(first),
    (last) => read.pull(backward(hook, write.pull(last))),
  );
}
