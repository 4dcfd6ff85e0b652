/** Causal attention over left-padded prompts, and its pullback. Heads come first in every shape. */
import * as tf from '@tensorflow/tfjs-core';
import { tidy } from './tidy.js';

export interface AttentionTrace {
  /** [heads, batch, queries, keys]: rows sum to one. */
  weights: tf.Tensor4D;
  /** What values are summed with: the weights, unless something stands in for them. */
  used: tf.Tensor4D;
  q: tf.Tensor4D;
  k: tf.Tensor4D;
  v: tf.Tensor4D;
  /** Where scores are capped, tanh(score/cap); null elsewhere. */
  bent: tf.Tensor4D | null;
}

/** What may stand in for the scores or weights on the way forward, or for their gradients on the way back. */
interface StandIns {
  scores?(x: tf.Tensor4D): tf.Tensor4D;
  weights?(x: tf.Tensor4D): tf.Tensor4D;
}

/**
 * @param q [heads, batch, queries, w]
 * @param k [heads, batch, keys, w]
 * @param v [heads, batch, keys, dHead]
 * @param bias [1, batch or 1, queries, keys]: 0 where a key may be seen, a large negative number elsewhere
 * @param scale factor on q·k
 * @param cap scaled scores s become cap·tanh(s/cap); absent: they stay
 * @returns z [heads, batch, queries, dHead] and what the pullback needs (it holds q, k and v: dispose with the trace)
 */
export function attend(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  bias: tf.Tensor4D,
  scale: number,
  cap?: number,
  standIn: StandIns = {},
): { z: tf.Tensor4D; trace: AttentionTrace } {
  const { weights, used, bent } = tidy(() => {
    const products = tf.matMul(q, k, false, true);
    const tanh = cap === undefined ? null : (tf.tanh(tf.mul(products, scale / cap)) as tf.Tensor4D);
    const own = (tanh ? tf.mul(tanh, cap!) : tf.mul(products, scale)) as tf.Tensor4D;
    const scores = standIn.scores?.(own) ?? own;
    const weights = tf.softmax(tf.add(scores, bias)) as tf.Tensor4D;
    return { weights, used: standIn.weights?.(weights) ?? weights, bent: tanh };
  });
  return { z: tf.matMul(used, v), trace: { weights, used, q, k, v, bent } };
}

/**
 * @param dz [heads, batch, queries, dHead]
 * @param moving how many keys and values, counted from the last, depend on anything trained
 * @returns dq as q; dk and dv [heads, batch, moving, …], null where none moves
 */
export function attendPull(
  dz: tf.Tensor4D,
  { weights, used, q, k, v, bent }: AttentionTrace,
  scale: number,
  moving: number,
  standIn: StandIns = {},
): { dq: tf.Tensor4D; dk: tf.Tensor4D | null; dv: tf.Tensor4D | null } {
  const dScores = tf.tidy(() => {
    const dUsed = tf.matMul<tf.Tensor4D>(dz, v, false, true);
    const dWeights = standIn.weights?.(dUsed) ?? dUsed;
    const own = tf.sum(tf.mul(dWeights, weights), -1, true);
    const dOwn = tf.mul<tf.Tensor4D>(weights, tf.sub(dWeights, own));
    const dCapped = tf.mul<tf.Tensor4D>(standIn.scores?.(dOwn) ?? dOwn, scale);
    return bent ? (tf.mul(dCapped, tf.sub(1, tf.square(bent))) as tf.Tensor4D) : dCapped;
  });
  const dq = tf.matMul<tf.Tensor4D>(dScores, k);
  const through = (scores: tf.Tensor4D, queries: tf.Tensor4D) =>
    tf.tidy(() => tf.matMul<tf.Tensor4D>(lastKeys(scores, moving), queries, true, false));
  const dk = moving > 0 ? through(dScores, q) : null;
  const dv = moving > 0 ? through(used, dz) : null;
  dScores.dispose();
  return { dq, dk, dv };
}

function lastKeys(scores: tf.Tensor4D, count: number): tf.Tensor4D {
  const keys = scores.shape[3];
  return keys === count ? scores : tf.slice(scores, [0, 0, 0, keys - count], [-1, -1, -1, count]);
}

/** [batch·positions, heads·width] → [heads, batch, positions, width]. */
export function splitHeads(x: tf.Tensor2D, batch: number, heads: number): tf.Tensor4D {
  const positions = x.shape[0] / batch;
  const width = x.shape[1] / heads;
  return tf.tidy(() => tf.transpose(tf.reshape(x, [batch, positions, heads, width]), [2, 0, 1, 3]));
}

/** [heads, batch, positions, width] → [batch·positions, heads·width]. */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor2D {
  const [heads, batch, positions, width] = x.shape;
  return tf.tidy(() => tf.reshape(tf.transpose(x, [1, 2, 0, 3]), [batch * positions, heads * width]));
}

/** Gives each query head its key head: [kvHeads, …] → [heads, …], each repeated for its group. */
export function repeatHeads(x: tf.Tensor4D, heads: number): tf.Tensor4D {
  const [kvHeads, batch, positions, width] = x.shape;
  if (kvHeads === heads) return tf.clone(x);
  const group = heads / kvHeads;
  return tf.tidy(() => {
    const tiled = tf.tile(tf.reshape(x, [kvHeads, 1, batch * positions * width]), [1, group, 1]);
    return tf.reshape(tiled, [heads, batch, positions, width]);
  });
}

/** The pullback of {@link repeatHeads}: sums over each group. */
export function repeatHeadsPull(dy: tf.Tensor4D, kvHeads: number): tf.Tensor4D {
  const [heads, batch, positions, width] = dy.shape;
  if (kvHeads === heads) return tf.clone(dy);
  return tf.tidy(() =>
    tf.reshape(tf.sum(tf.reshape(dy, [kvHeads, heads / kvHeads, batch * positions * width]), 1), [
      kvHeads,
      batch,
      positions,
      width,
    ]),
  );
}
