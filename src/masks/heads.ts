/** The masked parts of attention: queries and keys through QK directions, head outputs through OV directions. */
import * as tf from '@tensorflow/tfjs-core';
import { mergeHeads, repeatHeads, repeatHeadsPull, splitHeads } from '../engine/ops/attention.js';
import { rotate } from '../engine/ops/rotary.js';
import type { BlockInput, Mixer, Puller } from './masking.js';

/** @returns q and k [heads, batch, positions, width], and the query coefficients before the mask */
export function queriesAndKeys(x: tf.Tensor2D, queryInput: tf.Tensor2D, batch: number, input: BlockInput) {
  const { architecture, bases, masks, rotary } = input;
  const { nHeads, nKvHeads } = architecture;
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
  if (rotary) {
    q = rotate(q, rotary, 1);
    k = rotate(k, rotary, 1);
  }
  return { q, k: repeatHeads(k, nHeads), query };
}

/** Records the QK masks' gradient; returns that by the queries' input if wanted. */
export function queriesPull(
  dq: tf.Tensor4D,
  query: tf.Tensor2D | null,
  puller: Puller,
  want: boolean,
): tf.Tensor2D | null {
  const { bases, rotary } = puller.input;
  const turned = rotary ? rotate(dq, rotary, -1) : dq;
  if (!query) return want ? bases.query.pull(mergeHeads(turned)) : null;
  const basis = bases.qk!;
  const dCoefficients = mergeHeads(basis.back ? byHead(turned, basis.back, true) : turned);
  const dOwn = puller.pull('qk', dCoefficients, query);
  return want ? basis.read.pull(dOwn) : null;
}

/** Returns the gradient by the keys' input, [batch·positions, dModel]. */
export function keysPull(dk: tf.Tensor4D, { architecture, bases, masks, rotary }: BlockInput): tf.Tensor2D {
  const direct = masks.qk && bases.qk?.keys;
  if (direct) return direct.pull(mergeHeads(dk));
  const grouped = repeatHeadsPull(dk, architecture.nKvHeads);
  return bases.key.pull(mergeHeads(rotary ? rotate(grouped, rotary, -1) : grouped));
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
