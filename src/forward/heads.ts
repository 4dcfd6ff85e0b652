/** Attention's queries and keys, plain or through QK directions, and its output, plain or through OV directions. */
import * as tf from '@tensorflow/tfjs-core';
import { mergeHeads, repeatHeadsPull, splitHeads } from '../engine/ops/attention.js';
import { outputRate, outputRatePull } from '../engine/ops/norm.js';
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
 * @returns q [heads, batch, queries, width]; k [heads, or key heads where keys are plain, batch, positions, width].
 * The width is dHead but where QK passes its directions and nothing turns: there queries and keys are coefficients
 */
export function queriesAndKeys(
  x: tf.Tensor2D,
  { batch, queries }: Span,
  input: BlockInput,
): { q: tf.Tensor4D; k: tf.Tensor4D; trace: QueryKeyTrace } {
  const { architecture, weights, hooks, rotary } = input;
  const { nHeads, nKvHeads, queryKeyNorm } = architecture;
  const queryInput = lastOf(x, batch, queries);
  const hook = hooks['qk.coefficients'];
  const basis = changes(hook) ? weights.qk! : null;
  const plainQueries = () => splitHeads(weights.query.apply(queryInput), batch, nHeads);
  let q: tf.Tensor4D;
  if (!basis) {
    if (hook) onward(hook, weights.qk!.read.apply(queryInput));
    q = plainQueries();
  } else {
    q = splitHeads(onward(hook, basis.read.apply(queryInput)), batch, nHeads);
    if (basis.back) q = byHead(q, basis.back);
  }
  let k = basis?.keys
    ? splitHeads(basis.keys.apply(x), batch, nHeads)
    : splitHeads(weights.key.apply(x), batch, nKvHeads);
  const trace: QueryKeyTrace = { norms: null };
  if (queryKeyNorm !== undefined) {
    const norms = {
      query: rated(basis ? plainQueries() : q, q, weights.norms.query!, queryKeyNorm, hooks.queryRate),
      key: rated(k, k, weights.norms.key!, queryKeyNorm, hooks.keyRate),
    };
    q = tf.mul(q, norms.query.rate);
    k = tf.mul(k, norms.key.rate);
    trace.norms = norms;
  }
  if (rotary) {
    q = rotate(q, rotary, 1);
    k = rotate(k, rotary, 1);
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
  dq: tf.Tensor4D,
  { norms }: QueryKeyTrace,
  input: BlockInput,
  want: boolean,
): tf.Tensor2D | null {
  const { weights, hooks, rotary } = input;
  const dTurned = backward(hooks.q, dq);
  let dCarried = rotary ? rotate(dTurned, rotary, -1) : dTurned;
  let dWritten: tf.Tensor4D | null = null;
  if (norms) [dCarried, dWritten] = ratedPull(dCarried, norms.query, weights.norms.query!, hooks.queryRate);
  const dWhole = dWritten && want ? weights.query.pull(mergeHeads(dWritten)) : null;
  const hook = hooks['qk.coefficients'];
  let dInput: tf.Tensor2D | null = null;
  if (!changes(hook)) dInput = want ? weights.query.pull(mergeHeads(dCarried)) : null;
  else {
    const { read, back } = weights.qk!;
    const dCoefficients = mergeHeads(back ? byHead(dCarried, back, true) : dCarried);
    const dOwn = backward(hook, dCoefficients);
    dInput = want ? read.pull(dOwn) : null;
  }
  return dInput && dWhole ? tf.add<tf.Tensor2D>(dInput, dWhole) : dInput;
}

/** Returns the gradient by the keys' input, [batch·positions, dModel]. */
export function keysPull(dk: tf.Tensor4D, { norms }: QueryKeyTrace, input: BlockInput): tf.Tensor2D {
  const { architecture, weights, hooks, rotary } = input;
  const direct = changes(hooks['qk.coefficients']) && weights.qk!.keys;
  if (direct) return direct.pull(mergeHeads(dk));
  const grouped = backward(hooks.k, repeatHeadsPull(dk, architecture.nKvHeads));
  const turned = rotary ? rotate(grouped, rotary, -1) : grouped;
  if (!norms) return weights.key.pull(mergeHeads(turned));
  const [dCarried, dWritten] = ratedPull(turned, norms.key, weights.norms.key!, hooks.keyRate);
  return weights.key.pull(mergeHeads(tf.add(dCarried, dWritten)));
}

function rated(
  written: tf.Tensor4D,
  carried: tf.Tensor4D,
  weights: tf.Tensor1D,
  epsilon: number,
  hook: Hook | undefined,
): RateTrace {
  return { written, carried, rate: onward(hook, outputRate(written, weights, epsilon)) };
}

/** Gradients by what was carried and by what was written. */
function ratedPull(
  dy: tf.Tensor4D,
  { written, carried, rate }: RateTrace,
  weights: tf.Tensor1D,
  hook: Hook | undefined,
): [tf.Tensor4D, tf.Tensor4D] {
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
 * @param z [heads, batch, queries, dHead]
 * @returns [batch, queries, dModel]
 */
export function outputOfHeads(
  z: tf.Tensor4D,
  { batch, plain, masked }: Span,
  input: BlockInput,
): tf.Tensor3D {
  const { weights, hooks } = input;
  const hook = hooks['ov.coefficients'];
  const direct = (part: tf.Tensor4D) => weights.output.apply(mergeHeads(part));
  const coefficients = (part: tf.Tensor4D) => {
    const { read, readBias } = weights.ov!;
    const own = byHead(part, read);
    return mergeHeads(readBias ? (tf.add(own, tf.expandDims(readBias, 1)) as tf.Tensor4D) : own);
  };
  const last = () => sliceHeads(z, plain, masked);
  if (!changes(hook)) {
    if (hook) onward(hook, coefficients(last()));
    return joinPositions(batch, null, direct(z));
  }
  return joinPositions(
    batch,
    plain > 0 ? direct(sliceHeads(z, 0, plain)) : null,
    withRest(weights.ov!.write.apply(onward(hook, coefficients(last()))), weights.ov!, () => direct(last())),
  );
}

/**
 * The pullback of {@link outputOfHeads}.
 * @param dy [batch·queries, dModel]
 */
export function outputOfHeadsPull(dy: tf.Tensor2D, span: Span, input: BlockInput): tf.Tensor4D {
  const { architecture, weights, hooks } = input;
  const { batch, plain, masked } = span;
  const { nHeads } = architecture;
  const hook = hooks['ov.coefficients'];
  const direct = (part: tf.Tensor2D) => splitHeads(weights.output.pull(part), batch, nHeads);
  if (!changes(hook)) return direct(dy);
  const { read, write } = weights.ov!;
  const dOwn = backward(hook, write.pull(lastOf(dy, batch, masked)));
  const last = byHead(splitHeads(dOwn, batch, nHeads), read, true);
  return plain > 0 ? tf.concat([direct(firstOf(dy, batch, plain)), last], 2) : last;
}
