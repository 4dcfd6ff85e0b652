/** Attention's queries and keys, plain or through QK directions, and its output, plain or through OV directions. */
import * as tf from '@tensorflow/tfjs-core';
import { type Heads, mergeHeads, splitHeads } from '../engine/ops/attention.js';
import { outputRate, outputRatePull } from '../engine/ops/norm.js';
import { hasOnePass, onePass } from '../engine/ops/one-pass.js';
import { rotate } from '../engine/ops/rotary.js';
import { withRest } from './bases.js';
import type { BlockInput } from './block-input.js';
import { backward, changes, type Hook, onward } from './places.js';
import { firstOf, joinPositions, lastOf, type Span, sliceHeads } from './positions.js';

/** What the pullback of queries and keys needs: where they are normalised, how. */
export interface QueryKeyTrace {
  norms: { query: RateTrace; key: RateTrace } | null;
}

/**
 * A normalisation in which the matrix wrote `written` and its rate goes on `carried`: the same, or for queries through
 * directions what their hook makes of it. So scores stay linear in masks.
 */
interface RateTrace {
  written: tf.Tensor4D;
  carried: tf.Tensor4D;
  /** [heads, batch, positions, 1]. */
  rate: tf.Tensor4D;
}

/**
 * @param x [batch·positions, dModel]
 * @param sideBySide whether heads stay so where a product leaves them so; then they have no normalisation and no hooks
 * @returns q [heads, batch, queries, width]; k [heads, or key heads where keys are plain, batch, positions, width].
 * The width is dHead but where QK passes its directions and nothing turns: there queries and keys are coefficients
 */
export function queriesAndKeys(
  x: tf.Tensor2D,
  { batch, queries }: Span,
  input: BlockInput,
  sideBySide: boolean,
): { q: Heads; k: Heads; trace: QueryKeyTrace } {
  const { architecture, weights, hooks, rotary } = input;
  const { nHeads, nKvHeads, queryKeyNorm } = architecture;
  const queryInput = lastOf(x, batch, queries);
  const hook = hooks['qk.coefficients'];
  const basis = changes(hook) ? weights.qk! : null;
  const laid = (product: tf.Tensor2D, heads: number) =>
    sideBySide ? product : splitHeads(product, batch, heads);
  const plainQueries = () => laid(weights.query.apply(queryInput), nHeads);
  let q: Heads;
  if (!basis) {
    if (hook) onward(hook, weights.qk!.read.apply(queryInput));
    q = plainQueries();
  } else {
    const coefficients = onward(hook, basis.read.apply(queryInput));
    if (!basis.back) q = laid(coefficients, nHeads);
    else if (sideBySide) q = sideByHead(coefficients, batch, basis.back);
    else q = byHead(splitHeads(coefficients, batch, nHeads), basis.back);
  }
  let k: Heads = basis?.keys ? laid(basis.keys.apply(x), nHeads) : laid(weights.key.apply(x), nKvHeads);
  const trace: QueryKeyTrace = { norms: null };
  if (queryKeyNorm !== undefined) {
    const norms = {
      query: rated(basis ? plainQueries() : q, q, weights.norms.query!, queryKeyNorm, hooks.queryRate),
      key: rated(k, k, weights.norms.key!, queryKeyNorm, hooks.keyRate),
    };
    q = tf.mul<tf.Tensor4D>(q, norms.query.rate);
    k = tf.mul<tf.Tensor4D>(k, norms.key.rate);
    trace.norms = norms;
  }
  if (rotary) {
    q = rotate(q, rotary, 1, { batch, heads: nHeads });
    k = rotate(k, rotary, 1, { batch, heads: nKvHeads });
  }
  if (basis?.keys) {
    if (hooks.q ?? hooks.k)
      throw new Error(
        'where QK passes its directions and nothing turns, there are no q and k: see qk.coefficients',
      );
    return { q, k, trace };
  }
  return { q: onward(hooks.q, q), k: onward(hooks.k, k), trace };
}

/** @returns the gradient by the queries' input, if wanted */
export function queriesPull(
  dq: Heads,
  { norms }: QueryKeyTrace,
  { batch }: Span,
  input: BlockInput,
  want: boolean,
): tf.Tensor2D | null {
  const { architecture, weights, hooks, rotary } = input;
  const dTurned = backward(hooks.q, dq);
  let dCarried = rotary ? rotate(dTurned, rotary, -1, { batch, heads: architecture.nHeads }) : dTurned;
  let dWritten: tf.Tensor4D | null = null;
  if (norms) [dCarried, dWritten] = ratedPull(dCarried, norms.query, weights.norms.query!, hooks.queryRate);
  const dWhole = dWritten && want ? weights.query.pull(mergeHeads(dWritten)) : null;
  const hook = hooks['qk.coefficients'];
  let dInput: tf.Tensor2D | null = null;
  if (!changes(hook)) dInput = want ? weights.query.pull(mergeHeads(dCarried)) : null;
  else {
    const { read, back } = weights.qk!;
    const dCoefficients = back
      ? sideByHead(dCarried, batch, back, { transpose: true })
      : mergeHeads(dCarried);
    const dOwn = backward(hook, dCoefficients);
    dInput = want ? read.pull(dOwn) : null;
  }
  return dInput && dWhole ? tf.add<tf.Tensor2D>(dInput, dWhole) : dInput;
}

/**
 * @param dk with as many heads as keys have
 * @returns the gradient by the keys' input, [batch·positions, dModel]
 */
export function keysPull(
  dk: Heads,
  { norms }: QueryKeyTrace,
  { batch }: Span,
  input: BlockInput,
): tf.Tensor2D {
  const { architecture, weights, hooks, rotary } = input;
  const direct = changes(hooks['qk.coefficients']) && weights.qk!.keys;
  if (direct) return direct.pull(mergeHeads(dk));
  const { nKvHeads } = architecture;
  const grouped = backward(hooks.k, dk);
  const turned = rotary ? rotate(grouped, rotary, -1, { batch, heads: nKvHeads }) : grouped;
  if (!norms) return weights.key.pull(mergeHeads(turned));
  const [dCarried, dWritten] = ratedPull(turned, norms.key, weights.norms.key!, hooks.keyRate);
  return weights.key.pull(mergeHeads(tf.add<tf.Tensor4D>(dCarried, dWritten)));
}

function rated(
  product: Heads,
  going: Heads,
  weights: tf.Tensor1D,
  epsilon: number,
  hook: Hook | undefined,
): RateTrace {
  // Heads with a norm of their own are never side by side.
  const [written, carried] = [product as tf.Tensor4D, going as tf.Tensor4D];
  return { written, carried, rate: onward(hook, outputRate(written, weights, epsilon)) };
}

/** Gradients by what was carried and by what was written. */
function ratedPull(
  gradient: Heads,
  { written, carried, rate }: RateTrace,
  weights: tf.Tensor1D,
  hook: Hook | undefined,
): [tf.Tensor4D, tf.Tensor4D] {
  const dy = gradient as tf.Tensor4D;
  const dRate = backward(hook, tf.sum(tf.mul(dy, carried), -1, true) as tf.Tensor4D);
  return [tf.mul(dy, rate), outputRatePull(dRate, written, rate, weights)];
}

/** [heads, batch, positions, a] times [heads, a, b] (or its transpose). */
function byHead(x: tf.Tensor4D, matrix: tf.Tensor3D, transpose = false): tf.Tensor4D {
  const [heads, batch, positions, width] = x.shape;
  const flat = tf.reshape(x, [heads, batch * positions, width]);
  return tf.reshape(tf.matMul(flat, matrix, false, transpose), [heads, batch, positions, -1]);
}

/**
 * The same with heads side by side in the result, and perhaps in `x`.
 * @param bias [heads, 1, b]
 * @returns [batch·positions, heads·b]
 */
function sideByHead(
  x: Heads,
  batch: number,
  matrix: tf.Tensor3D,
  { transpose = false, bias }: { transpose?: boolean; bias?: tf.Tensor3D | null } = {},
): tf.Tensor2D {
  const name = bias ? 'OrthoscopeBiasedByHead' : 'OrthoscopeByHead';
  if (x.rank === 2 && hasOnePass(name))
    return onePass(name, bias ? [x, matrix, bias] : [x, matrix], { flag: transpose })[0] as tf.Tensor2D;
  const own = byHead(apart(x, batch, matrix.shape[0]), matrix, transpose);
  return mergeHeads(bias ? (tf.add(own, tf.expandDims(bias, 1)) as tf.Tensor4D) : own);
}

/**
 * @param z [heads, batch, queries, dHead], or side by side
 * @returns [batch·queries, dModel]
 */
export function outputOfHeads(z: Heads, { batch, plain, masked }: Span, input: BlockInput): tf.Tensor2D {
  const { weights, hooks } = input;
  const hook = hooks['ov.coefficients'];
  const direct = (part: Heads) => weights.output.apply(mergeHeads(part));
  const coefficients = (part: Heads) => {
    const { read, readBias } = weights.ov!;
    return sideByHead(part, batch, read, { bias: readBias });
  };
  const last = () => sliceHeads(z, batch, plain, masked);
  if (!changes(hook)) {
    if (hook) onward(hook, coefficients(last()));
    return direct(z);
  }
  return joinPositions(
    batch,
    plain > 0 ? direct(sliceHeads(z, batch, 0, plain)) : null,
    withRest(weights.ov!.write.apply(onward(hook, coefficients(last()))), weights.ov!, () => direct(last())),
  );
}

/**
 * The pullback of {@link outputOfHeads}.
 * @param dy [batch·queries, dModel]
 * @param sideBySide how z lies, and its gradient
 */
export function outputOfHeadsPull(
  dy: tf.Tensor2D,
  span: Span,
  input: BlockInput,
  sideBySide: boolean,
): Heads {
  const { architecture, weights, hooks } = input;
  const { batch, plain, masked } = span;
  const { nHeads } = architecture;
  const hook = hooks['ov.coefficients'];
  const direct = (part: tf.Tensor2D) => {
    const pulled = weights.output.pull(part);
    return sideBySide ? pulled : splitHeads(pulled, batch, nHeads);
  };
  if (!changes(hook)) return direct(dy);
  const { read, write } = weights.ov!;
  const dOwn = backward(hook, write.pull(lastOf(dy, batch, masked)));
  const first = plain > 0 ? direct(firstOf(dy, batch, plain)) : null;
  if (sideBySide)
    return joinPositions(
      batch,
      first as tf.Tensor2D | null,
      sideByHead(dOwn, batch, read, { transpose: true }),
    );
  const last = byHead(splitHeads(dOwn, batch, nHeads), read, true);
  return first ? tf.concat([first as tf.Tensor4D, last], 2) : last;
}

function apart(x: Heads, batch: number, heads: number): tf.Tensor4D {
  return x.rank === 4 ? (x as tf.Tensor4D) : splitHeads(x as tf.Tensor2D, batch, heads);
}
