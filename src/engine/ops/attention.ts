/**
 * Causal attention over left-padded prompts, and its pullback. Heads come first in every shape, but where an engine
 * takes them side by side as products leave them.
 */
import * as tf from '@tensorflow/tfjs-core';
import { hasOnePass, onePass } from './one-pass.js';
import { tidy } from './tidy.js';

/** How values are summed. */
interface Pattern {
  /** [heads, batch, queries, keys]: rows sum to one. */
  weights: tf.Tensor4D;
  /** What values are summed with: the weights, unless something stands in for them. */
  used: tf.Tensor4D;
  /** Where scores are capped, tanh(score/cap); null elsewhere. */
  bent: tf.Tensor4D | null;
}

/** Heads apart, [heads, batch, positions, width], or side by side, [batch·positions, heads·width]. */
export type Heads = tf.Tensor4D | tf.Tensor2D;

export interface AttentionTrace {
  q: Heads;
  k: Heads;
  v: Heads;
  /** Null where scores are made tile by tile: there the pullback makes them again. */
  pattern: Pattern | null;
}

/** What may stand in for the scores or weights on the way forward, or for their gradients on the way back. */
interface StandIns {
  scores?: ((x: tf.Tensor4D) => tf.Tensor4D) | undefined;
  weights?: ((x: tf.Tensor4D) => tf.Tensor4D) | undefined;
}

/** What becomes of products of queries and keys. */
export interface Scoring {
  /** [1, batch or 1, queries, keys]: 0 where a key may be seen, a large negative number elsewhere. */
  bias: tf.Tensor4D;
  /** Factor on q·k. */
  scale: number;
  /** Scaled scores s become cap·tanh(s/cap); absent: they stay. */
  cap?: number | undefined;
}

/**
 * Scores of all heads and prompts that are in memory at a time, 64 MB: more are made by tiles of queries and kept by
 * nobody. Otherwise a prompt of 4,096 tokens would take 600 MB a layer with nine heads. What stands in for scores
 * wants to see all of them.
 */
const MOST_SCORES = 2 ** 24;

/**
 * @param q [heads, batch, queries, w]
 * @param k [heads, batch, keys, w]
 * @param v [heads, batch, keys, dHead]
 * @returns z [heads, batch, queries, dHead] and what the pullback needs (it holds q, k and v: dispose with the trace)
 */
export function attend(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  scoring: Scoring,
  standIn: StandIns = {},
  most = MOST_SCORES,
): { z: tf.Tensor4D; trace: AttentionTrace } {
  const tiles = tilesOf(q, k, standIn, most);
  if (!tiles) {
    const pattern = patternOf(q, k, scoring, standIn);
    return { z: tf.matMul(pattern.used, v), trace: { q, k, v, pattern } };
  }
  const z = tf.tidy(() => {
    const parts = tiles.map((tile) =>
      tf.tidy(() => {
        const part = within(tile, q, k, v, scoring);
        return tf.matMul(patternOf(part.q, part.k, part.scoring, {}).used, part.v);
      }),
    );
    return tf.concat<tf.Tensor4D>(parts as tf.Tensor4D[], 2);
  });
  return { z, trace: { q, k, v, pattern: null } };
}

/**
 * @param dz [heads, batch, queries, dHead]
 * @param moving how many keys and values, counted from the last, depend on anything trained
 * @returns dq as q; dk and dv [heads, batch, moving, …], null where none moves
 */
export function attendPull(
  dz: tf.Tensor4D,
  { pattern, ...trace }: AttentionTrace,
  scoring: Scoring,
  moving: number,
  standIn: StandIns = {},
  most = MOST_SCORES,
): { dq: tf.Tensor4D; dk: tf.Tensor4D | null; dv: tf.Tensor4D | null } {
  const { q, k, v } = trace as Record<'q' | 'k' | 'v', tf.Tensor4D>;
  if (pattern) return pull(dz, q, k, v, pattern, scoring, moving, standIn);
  return tidy(() => {
    const keys = k.shape[2];
    const parts = tilesOf(q, k, standIn, most)!.map((tile) =>
      tidy(() => {
        const part = within(tile, q, k, v, scoring);
        const own = patternOf(part.q, part.k, part.scoring, {});
        const dPart = tf.slice(dz, [0, 0, tile.from, 0], [-1, -1, tile.count, -1]);
        // Keys behind the tile's last query get nothing from it.
        const seen = Math.max(0, moving - (keys - tile.keys));
        const pulled = pull(dPart, part.q, part.k, part.v, own, part.scoring, seen, {});
        const whole = (d: tf.Tensor4D | null) => (d && moving > 0 ? padded(d, moving) : null);
        return { dq: pulled.dq, dk: whole(pulled.dk), dv: whole(pulled.dv) };
      }),
    );
    const total = (name: 'dk' | 'dv', like: tf.Tensor4D) => {
      const given = parts.flatMap((part) => part[name] ?? []);
      if (moving === 0) return null;
      const [heads, batch, , width] = like.shape;
      return given.length > 0
        ? (tf.addN(given) as tf.Tensor4D)
        : tf.zeros<tf.Rank.R4>([heads, batch, moving, width]);
    };
    return {
      dq: tf.concat(
        parts.map(({ dq }) => dq),
        2,
      ),
      dk: total('dk', k),
      dv: total('dv', v),
    };
  });
}

/** More keys than this are worth the products of all heads at once. */
const MOST_KEYS_SIDE_BY_SIDE = 128;

/** Whether the engine attends to so many keys in one pass, so that heads can stay side by side. */
export function attendsSideBySide(keys: number): boolean {
  return keys <= MOST_KEYS_SIDE_BY_SIDE && hasOnePass('OrthoscopeAttend');
}

/** How prompts and heads lie side by side. */
export interface SideBySide {
  batch: number;
  heads: number;
  kvHeads: number;
}

/**
 * As {@link attend}, where {@link attendsSideBySide} says so; without a cap. Each head of keys serves its group of
 * queries' heads.
 * @returns z [batch·queries, heads·dHead]
 */
export function attendInOnePass(
  q: Heads,
  k: Heads,
  v: Heads,
  { bias, scale }: Scoring,
  { batch, heads, kvHeads }: SideBySide,
): { z: tf.Tensor2D; trace: AttentionTrace } {
  const settings = { kind: batch, heads, shared: kvHeads, factor: scale };
  const [z, weights] = onePass('OrthoscopeAttend', [q, k, v, bias], settings) as [tf.Tensor2D, tf.Tensor4D];
  return { z, trace: { q, k, v, pattern: { weights, used: weights, bent: null } } };
}

/**
 * The pullback of {@link attendInOnePass}.
 * @param dz [batch·queries, heads·dHead]
 * @param moving whether keys and values depend on anything trained
 * @returns each in the shape of what it is the gradient by
 */
export function attendInOnePassPull(
  dz: tf.Tensor2D,
  { q, k, v, pattern }: AttentionTrace,
  { scale }: Scoring,
  { batch, heads, kvHeads }: SideBySide,
  moving: boolean,
): { dq: Heads; dk: Heads | null; dv: Heads | null } {
  const settings = { kind: batch, heads, shared: kvHeads, factor: scale, flag: moving };
  const [dq, dk, dv] = onePass('OrthoscopeAttendPull', [dz, q, k, v, pattern!.weights], settings) as [
    Heads,
    Heads,
    Heads,
  ];
  return moving ? { dq, dk, dv } : { dq, dk: null, dv: null };
}

function patternOf(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  { bias, scale, cap }: Scoring,
  standIn: StandIns,
): Pattern {
  return tidy(() => {
    const products = tf.matMul<tf.Tensor4D>(q, k, false, true);
    if (cap === undefined && !standIn.scores && hasOnePass('OrthoscopeSoftmax')) {
      const [weights] = onePass('OrthoscopeSoftmax', [products, bias], { factor: scale }) as [tf.Tensor4D];
      return { weights, used: standIn.weights?.(weights) ?? weights, bent: null };
    }
    const tanh = cap === undefined ? null : (tf.tanh(tf.mul(products, scale / cap)) as tf.Tensor4D);
    const own = (tanh ? tf.mul(tanh, cap!) : tf.mul(products, scale)) as tf.Tensor4D;
    const scores = standIn.scores?.(own) ?? own;
    const weights = tf.softmax(tf.add(scores, bias)) as tf.Tensor4D;
    return { weights, used: standIn.weights?.(weights) ?? weights, bent: tanh };
  });
}

function pull(
  dz: tf.Tensor4D,
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  { weights, used, bent }: Pattern,
  { scale }: Scoring,
  moving: number,
  standIn: StandIns,
): { dq: tf.Tensor4D; dk: tf.Tensor4D | null; dv: tf.Tensor4D | null } {
  const dScores = tf.tidy(() => {
    const dUsed = tf.matMul<tf.Tensor4D>(dz, v, false, true);
    const dWeights = standIn.weights?.(dUsed) ?? dUsed;
    if (!bent && !standIn.scores && hasOnePass('OrthoscopeSoftmaxPull'))
      return onePass('OrthoscopeSoftmaxPull', [dWeights, weights], { factor: scale })[0] as tf.Tensor4D;
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

/** Queries that follow each other, and how many keys the last of them may see. */
interface Tile {
  from: number;
  count: number;
  keys: number;
}

/** Null where all scores may be in memory, or have to be. */
function tilesOf(
  { shape: [heads, batch, queries] }: tf.Tensor4D,
  { shape: [, , keys] }: tf.Tensor4D,
  standIn: StandIns,
  most: number,
): Tile[] | null {
  if (standIn.scores ?? standIn.weights) return null;
  if (heads * batch * queries * keys <= most) return null;
  const rows = Math.max(1, Math.floor(most / (heads * batch * keys)));
  return Array.from({ length: Math.ceil(queries / rows) }, (_, tile) => {
    const from = tile * rows;
    const count = Math.min(rows, queries - from);
    return { from, count, keys: keys - queries + from + count };
  });
}

function within(
  { from, count, keys }: Tile,
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  { bias, scale, cap }: Scoring,
): { q: tf.Tensor4D; k: tf.Tensor4D; v: tf.Tensor4D; scoring: Scoring } {
  const first = (x: tf.Tensor4D) => tf.slice(x, [0, 0, 0, 0], [-1, -1, keys, -1]);
  return {
    q: tf.slice(q, [0, 0, from, 0], [-1, -1, count, -1]),
    k: first(k),
    v: first(v),
    scoring: { bias: tf.slice(bias, [0, 0, from, 0], [-1, -1, count, keys]), scale, cap },
  };
}

/** Zeros behind the positions, up to so many. */
function padded(x: tf.Tensor4D, positions: number): tf.Tensor4D {
  const none: [number, number] = [0, 0];
  return tf.pad(x, [none, none, [0, positions - x.shape[2]], none]);
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

/** [heads, batch, positions, width] → [batch·positions, heads·width]; where they are so already, what was given. */
export function mergeHeads(x: Heads): tf.Tensor2D {
  if (x.rank === 2) return x as tf.Tensor2D;
  const [heads, batch, positions, width] = x.shape as tf.Tensor4D['shape'];
  return tf.tidy(() =>
    tf.reshape(tf.transpose(x as tf.Tensor4D, [1, 2, 0, 3]), [batch * positions, heads * width]),
  );
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

/** The pullback of {@link repeatHeads}: sums over each group. Heads side by side were never repeated. */
export function repeatHeadsPull(dy: Heads, kvHeads: number): Heads {
  if (dy.rank === 2) return tf.clone(dy);
  const [heads, batch, positions, width] = dy.shape as tf.Tensor4D['shape'];
  if (kvHeads === heads) return tf.clone(dy);
  return tf.tidy(() =>
    tf.reshape<tf.Rank.R4>(tf.sum(tf.reshape(dy, [kvHeads, heads / kvHeads, batch * positions * width]), 1), [
      kvHeads,
      batch,
      positions,
      width,
    ]),
  );
}
