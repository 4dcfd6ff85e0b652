/** Cuts and joins streams along positions. */
import * as tf from '@tensorflow/tfjs-core';
import type { Heads } from '../engine/ops/attention.js';
import { hasOnePass, onePass } from '../engine/ops/one-pass.js';

/** Positions of the stream in a block. */
export interface Span {
  batch: number;
  /** Of the stream that the block reads. */
  positions: number;
  /** Of these the last ones, which are computed. */
  queries: number;
  /** Of these the first ones, at which OV and MLP pass their plain weights. */
  plain: number;
  /** The others, at which coefficients may pass their directions. */
  masked: number;
}

/** [batch, positions, d] → [batch·positions, d]. */
export function rows(x: tf.Tensor): tf.Tensor2D {
  return tf.reshape(x, [-1, x.shape[x.rank - 1]!]);
}

/** The first `count` positions of each prompt, [batch·count, d]. */
export function firstOf(x: tf.Tensor2D, batch: number, count: number): tf.Tensor2D {
  return cut(x, batch, count, false);
}

/** The last `count` positions of each prompt, [batch·count, d]. */
export function lastOf(x: tf.Tensor2D, batch: number, count: number): tf.Tensor2D {
  return cut(x, batch, count, true);
}

function cut(x: tf.Tensor2D, batch: number, count: number, last: boolean): tf.Tensor2D {
  const [n, d] = x.shape;
  if (n === batch * count) return x;
  if (hasOnePass('OrthoscopeCut'))
    return onePass('OrthoscopeCut', [x], { kind: batch, heads: count, flag: last })[0] as tf.Tensor2D;
  const from = last ? n / batch - count : 0;
  return rows(tf.slice(tf.reshape(x, [batch, -1, d]), [0, from, 0], [batch, count, d]));
}

/** [batch·(a + b), d] from [batch·a, d] (or nothing) and [batch·b, d]. */
export function joinPositions(batch: number, first: tf.Tensor2D | null, last: tf.Tensor2D): tf.Tensor2D {
  if (!first) return last;
  if (hasOnePass('OrthoscopeJoin'))
    return onePass('OrthoscopeJoin', [first, last], { kind: batch })[0] as tf.Tensor2D;
  const [start, end] = [first, last].map((x) => tf.reshape<tf.Rank.R3>(x, [batch, -1, x.shape[1]]));
  return rows(tf.concat([start!, end!], 1));
}

/**
 * One function on the plain positions and another on the masked ones.
 * @param x [batch·queries, d]
 * @returns [batch·queries, d']
 */
export function byPart(
  x: tf.Tensor2D,
  { batch, plain, masked }: Span,
  onPlain: (x: tf.Tensor2D) => tf.Tensor2D,
  onMasked: (x: tf.Tensor2D) => tf.Tensor2D,
): tf.Tensor2D {
  const last = onMasked(lastOf(x, batch, masked));
  return joinPositions(batch, plain === 0 ? null : onPlain(firstOf(x, batch, plain)), last);
}

/** Zeros before the last `count` of `total` positions, [batch·total, d]. */
export function padPositions(x: tf.Tensor2D, batch: number, total: number, count: number): tf.Tensor2D {
  if (total === count) return x;
  return rows(
    tf.pad(tf.reshape(x, [batch, count, x.shape[1]]), [
      [0, 0],
      [total - count, 0],
      [0, 0],
    ]),
  );
}

/** Some positions of heads, apart or side by side: the first ones where `from` is 0, else the last ones. */
export function sliceHeads(z: Heads, batch: number, from: number, count: number): Heads {
  if (z.rank === 2) return (from === 0 ? firstOf : lastOf)(z as tf.Tensor2D, batch, count);
  const [heads, , positions, width] = z.shape as tf.Tensor4D['shape'];
  return positions === count ? z : tf.slice(z as tf.Tensor4D, [0, 0, from, 0], [heads, batch, count, width]);
}
