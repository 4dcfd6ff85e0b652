/** The masked parts of attention: queries and keys through QK directions, head outputs through OV directions. */
import * as tf from '@tensorflow/tfjs-core';
import { mergeHeads, repeatHeadsPull, splitHeads } from '../engine/ops/attention.js';
import { outputRate, outputRatePull } from '../engine/ops/norm.js';
import { rotate } from '../engine/ops/rotary.js';
import type { BlockInput, Mixer, Puller } from './masking.js';

/** What the pullback of queries and keys needs. */
export interface QueryKeyTrace {
  /** Query coefficients before the mask, [batch·queries, directions]; null where QK is not masked. */
  query: tf.Tensor2D | null;
  /** Where queries and keys are normalised. */
  norms: { query: RateTrace; key: RateTrace } | null;
}

/**
 * A normalisation in which the matrix wrote `written` and its rate goes on `carried`: the same, or for masked
 * queries what the mask leaves of it. So scores stay linear in the masks.
 */
interface RateTrace {
  written: tf.Tensor4D;
  carried: tf.Tensor4D;
  /** [heads, batch, positions, 1]. */
  rate: tf.Tensor4D;
}

/** @returns q [heads, batch, queries, width]; k [heads, or key heads where QK is not masked, batch, positions, width] */
export function queriesAndKeys(
  x: tf.Tensor2D,
  queryInput: tf.Tensor2D,
  batch: number,
  input: BlockInput,
): { q: tf.Tensor4D; k: tf.Tensor4D; trace: QueryKeyTrace } {
  const { architecture, bases, masks, rotary } = input;
  const { nHeads, nKvHeads, queryKeyNorm } = architecture;
  const basis = masks.qk && bases.qk;
  const query = basis ? basis.read.apply(queryInput) : null;
  let q: tf.Tensor4D;
  if (!basis) q = splitHeads(bases.query.apply(queryInput), batch, nHeads);
  else {
    q = splitHeads(tf.mul(query!, masks.qk!), batch, nHeads);
    if (basis.back) q = byHead(q, basis.back);
  }
  let k =
    basis?.keys != null
      ? splitHeads(basis.keys.apply(x), batch, nHeads)
      : splitHeads(bases.key.apply(x), batch, nKvHeads);
  const trace: QueryKeyTrace = { query, norms: null };
  if (queryKeyNorm !== undefined) {
    const whole = basis ? splitHeads(bases.query.apply(queryInput), batch, nHeads) : q;
    trace.norms = {
      query: rated(whole, q, bases.norms.query!, queryKeyNorm),
      key: rated(k, k, bases.norms.key!, queryKeyNorm),
    };
    q = tf.mul(q, trace.norms.query.rate);
    k = tf.mul(k, trace.norms.key.rate);
  }
  if (rotary) {
    q = rotate(q, rotary, 1);
    k = rotate(k, rotary, 1);
  }
  return { q, k, trace };
}

/** Records the QK masks' gradient; returns that by the queries' input if wanted. */
export function queriesPull(
  dq: tf.Tensor4D,
  { query, norms }: QueryKeyTrace,
  puller: Puller,
  want: boolean,
): tf.Tensor2D | null {
  const { bases, rotary } = puller.input;
  let dCarried = rotary ? rotate(dq, rotary, -1) : dq;
  let dWritten: tf.Tensor4D | null = null;
  if (norms) [dCarried, dWritten] = ratedPull(dCarried, norms.query, bases.norms.query!);
  const dWhole = dWritten && want ? bases.query.pull(mergeHeads(dWritten)) : null;
  let dInput: tf.Tensor2D | null = null;
  if (!query) dInput = want ? bases.query.pull(mergeHeads(dCarried)) : null;
  else {
    const basis = bases.qk!;
    const dCoefficients = mergeHeads(basis.back ? byHead(dCarried, basis.back, true) : dCarried);
    const dOwn = puller.pull('qk', dCoefficients, query);
    dInput = want ? basis.read.pull(dOwn) : null;
  }
  return dInput && dWhole ? tf.add<tf.Tensor2D>(dInput, dWhole) : dInput;
}

/** Returns the gradient by the keys' input, [batch·positions, dModel]. */
export function keysPull(
  dk: tf.Tensor4D,
  { norms }: QueryKeyTrace,
  { architecture, bases, masks, rotary }: BlockInput,
): tf.Tensor2D {
  const direct = masks.qk && bases.qk?.keys;
  if (direct) return direct.pull(mergeHeads(dk));
  const grouped = repeatHeadsPull(dk, architecture.nKvHeads);
  const turned = rotary ? rotate(grouped, rotary, -1) : grouped;
  if (!norms) return bases.key.pull(mergeHeads(turned));
  const [dCarried, dWritten] = ratedPull(turned, norms.key, bases.norms.key!);
  return bases.key.pull(mergeHeads(tf.add(dCarried, dWritten)));
}

function rated(written: tf.Tensor4D, carried: tf.Tensor4D, weights: tf.Tensor1D, epsilon: number): RateTrace {
  return { written, carried, rate: outputRate(written, weights, epsilon) };
}

/** Gradients by what was carried and by what was written. */
function ratedPull(
  dy: tf.Tensor4D,
  { written, carried, rate }: RateTrace,
  weights: tf.Tensor1D,
): [tf.Tensor4D, tf.Tensor4D] {
  const dRate = tf.sum(tf.mul(dy, carried), -1, true) as tf.Tensor4D;
  return [tf.mul(dy, rate), outputRatePull(dRate, written, rate, weights)];
}

/** [heads, batch, positions, a] times [heads, a, b] (or its transpose). */
function byHead(x: tf.Tensor4D, matrix: tf.Tensor3D, transpose = false): tf.Tensor4D {
  const [heads, batch, positions, width] = x.shape;
  const flat = tf.reshape(x, [heads, batch * positions, width]);
  return tf.reshape(tf.matMul(flat, matrix, false, transpose), [heads, batch, positions, -1]);
}

/** @param z [heads, batch, masked positions, dHead] */
export function outputOfHeads(z: tf.Tensor4D, mixer: Mixer): tf.Tensor2D {
  const { bases } = mixer.input;
  if (!bases.ov || !mixer.reads('ov')) return bases.output.apply(mergeHeads(z));
  const { read, readBias, write } = bases.ov;
  const own = byHead(z, read);
  const shifted = readBias ? (tf.add(own, tf.expandDims(readBias, 1)) as tf.Tensor4D) : own;
  const mixed = mixer.mix('ov', mergeHeads(shifted));
  return mixed ? write.apply(mixed) : bases.output.apply(mergeHeads(z));
}

export function outputOfHeadsPull(dOutput: tf.Tensor2D, puller: Puller, batch: number): tf.Tensor4D {
  const { architecture, bases } = puller.input;
  if (!puller.uses('ov')) return splitHeads(bases.output.pull(dOutput), batch, architecture.nHeads);
  const { read, write } = bases.ov!;
  const dOwn = puller.pull('ov', write.pull(dOutput));
  return byHead(splitHeads(dOwn, batch, architecture.nHeads), read, true);
}
