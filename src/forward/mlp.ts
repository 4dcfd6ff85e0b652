/** The MLP of a block; each of its matrices is passed plain, or at masked positions through its directions. */
import * as tf from '@tensorflow/tfjs-core';
import {
  type ActivationTrace,
  activate,
  activateGate,
  activateGatePull,
  activatePull,
  activatesInProducts,
  type GateTrace,
} from '../engine/ops/activation.js';
import type { FrozenLinear } from '../engine/ops/linear.js';
import type { Kind } from '../models/components.js';
import { withRest } from './bases.js';
import type { BlockInput } from './block-input.js';
import { type BlockHooks, backward, changes, coefficientsOf, onward } from './places.js';
import { byPart, firstOf, joinPositions, lastOf, type Span } from './positions.js';

/** What the pullback of the hidden layer needs, [rows, dMlp] each; one of them, or neither in passes not pulled back. */
interface PartTrace {
  plain: ActivationTrace | null;
  gated: GateTrace | null;
}

/** Of all positions together, or of the plain ones and of the masked ones. */
export type MlpTrace = PartTrace[];

/** Some positions, and what is at them. */
interface Part {
  span: Span;
  hooks: BlockHooks;
}

/**
 * Where all matrices are masked the two sorts of positions have nothing in common: the hidden layer of neither is put
 * together with the other's and taken apart again, which takes as long as a third of a product.
 */
function partsOf(span: Span, { hooks, architecture }: BlockInput): Part[] {
  const kinds = architecture.gatedMlp ? GATED : PLAIN;
  const apart =
    span.plain > 0 && !hooks.mlpHidden && kinds.every((kind) => changes(hooks[coefficientsOf(kind)]));
  if (!apart) return [{ span, hooks }];
  const { batch, positions, plain, masked } = span;
  return [
    { span: { batch, positions, queries: plain, plain, masked: 0 }, hooks: {} },
    { span: { batch, positions, queries: masked, plain: 0, masked }, hooks },
  ];
}

const GATED: readonly Kind[] = ['mlp_gate', 'mlp_up', 'mlp_down'];
const PLAIN: readonly Kind[] = ['mlp_in', 'mlp_out'];

/** Applies to each part of rows [batch·queries, d], and joins what comes of it. */
function eachPart(
  x: tf.Tensor2D,
  { batch }: Span,
  parts: readonly Part[],
  apply: (x: tf.Tensor2D, part: Part, at: number) => tf.Tensor2D,
): tf.Tensor2D {
  const [first, last] = parts as [Part, Part | undefined];
  if (!last) return apply(x, first, 0);
  const plain = apply(firstOf(x, batch, first.span.queries), first, 0);
  return joinPositions(batch, plain, apply(lastOf(x, batch, last.span.queries), last, 1));
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
  const trace: MlpTrace = [];
  const output = eachPart(x, span, partsOf(span, input), (part, { span, hooks }, at) => {
    const own = partForward(part, span, { ...input, hooks });
    trace[at] = own.trace;
    return own.output;
  });
  return { output, trace };
}

/** @param dy gradient by the output; returns that by the input */
export function mlpPull(dy: tf.Tensor2D, trace: MlpTrace, span: Span, input: BlockInput): tf.Tensor2D {
  return eachPart(dy, span, partsOf(span, input), (part, { span, hooks }, at) =>
    partPull(part, trace[at]!, span, { ...input, hooks }),
  );
}

function partForward(
  x: tf.Tensor2D,
  span: Span,
  input: BlockInput,
): { output: tf.Tensor2D; trace: PartTrace } {
  const { weights, architecture, hooks, trace } = input;
  const { activation, gatedMlp } = architecture;
  const through = (kind: Kind, plain: FrozenLinear, value: tf.Tensor2D) =>
    matrixForward(kind, plain, value, span, input);
  if (!gatedMlp) {
    const sums = through('mlp_in', weights.mlpIn, x);
    if (!hooks.mlpHidden && !hooks[coefficientsOf('mlp_out')] && activatesInProducts()) {
      const output = weights.mlpOut.applyActivated(sums, activation);
      return { output, trace: { plain: trace ? tf.clone(sums) : null, gated: null } };
    }
    const { y, kept } = activate(sums, activation, trace);
    const hidden = onward(hooks.mlpHidden, y);
    return { output: through('mlp_out', weights.mlpOut, hidden), trace: { plain: kept, gated: null } };
  }
  const up = through('mlp_up', weights.mlpIn, x);
  const gate = through('mlp_gate', weights.mlpGate!, x);
  const { y, kept } = activateGate(gate, up, activation, trace);
  const hidden = onward(hooks.mlpHidden, y);
  return { output: through('mlp_down', weights.mlpOut, hidden), trace: { plain: null, gated: kept } };
}

function partPull(dy: tf.Tensor2D, { plain, gated }: PartTrace, span: Span, input: BlockInput): tf.Tensor2D {
  const { weights, architecture, hooks } = input;
  const { activation } = architecture;
  const back = (kind: Kind, plain: FrozenLinear, dValue: tf.Tensor2D) =>
    matrixPull(kind, plain, dValue, span, input);
  if (!gated) {
    const dHidden = backward(hooks.mlpHidden, back('mlp_out', weights.mlpOut, dy));
    if (!changes(hooks[coefficientsOf('mlp_in')]) && activatesInProducts())
      return weights.mlpIn.pullActivated(dHidden, plain!, activation);
    return back('mlp_in', weights.mlpIn, activatePull(dHidden, plain!, activation));
  }
  const dHidden = backward(hooks.mlpHidden, back('mlp_down', weights.mlpOut, dy));
  const { dGate, dUp } = activateGatePull(dHidden, gated, activation);
  return tf.add(back('mlp_up', weights.mlpIn, dUp), back('mlp_gate', weights.mlpGate!, dGate));
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
