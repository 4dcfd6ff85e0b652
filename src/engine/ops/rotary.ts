/** Rotary positions in the halves layout. Only differences of positions matter, so left padding needs no correction. */
import * as tf from '@tensorflow/tfjs-core';
import type { Rotary } from '../../models/architecture.js';
import type { Heads } from './attention.js';
import { hasOnePass, onePass } from './one-pass.js';

export interface RotaryTable {
  /** [positions, dims] each; the second half of the columns repeats the first. */
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
  /**
   * [dims, dims]: x·turn = (−second half, first half), for an exact product takes fewer passes than cutting x in halves
   * and joining them the other way round. Its negative is the transpose.
   */
  turn: tf.Tensor2D;
  dims: number;
}

/** @param first the first row's position; it may be negative, since only differences matter */
export function rotaryTable(rotary: Rotary, positions: number, first = 0): RotaryTable {
  return rotaryTableAt(
    rotary,
    Array.from({ length: positions }, (_, t) => first + t),
  );
}

/** @param at each row's position */
export function rotaryTableAt({ dims, frequencies, scale }: Rotary, at: readonly number[]): RotaryTable {
  const positions = at.length;
  const cos = new Float32Array(positions * dims);
  const sin = new Float32Array(positions * dims);
  const half = dims / 2;
  for (let t = 0; t < positions; t++)
    for (let i = 0; i < dims; i++) {
      const angle = at[t]! * frequencies[i % half]!;
      cos[t * dims + i] = Math.cos(angle) * scale;
      sin[t * dims + i] = Math.sin(angle) * scale;
    }
  const turn = new Float32Array(dims * dims);
  for (let i = 0; i < half; i++) {
    turn[(half + i) * dims + i] = -1;
    turn[i * dims + half + i] = 1;
  }
  return {
    cos: tf.tensor2d(cos, [positions, dims]),
    sin: tf.tensor2d(sin, [positions, dims]),
    turn: tf.tensor2d(turn, [dims, dims]),
    dims,
  };
}

/**
 * Rotates x [heads, batch, positions, width] whose last position is the table's last.
 * @param direction 1 rotates, −1 is the transpose: the pullback
 * @param lie how heads lie, if side by side: [batch·positions, heads·width]
 */
export function rotate<T extends Heads>(
  x: T,
  table: RotaryTable,
  direction: 1 | -1,
  lie: { batch: number; heads: number } = { batch: 0, heads: 0 },
): T {
  if (hasOnePass('OrthoscopeRotate')) {
    const settings = { kind: lie.batch, heads: lie.heads, factor: direction };
    return onePass('OrthoscopeRotate', [x, table.cos, table.sin], settings)[0] as T;
  }
  return turned(x as tf.Tensor4D, table, direction) as T;
}

function turned(x: tf.Tensor4D, table: RotaryTable, direction: 1 | -1): tf.Tensor4D {
  const [heads, batch, positions, width] = x.shape;
  const { dims } = table;
  const skip = table.cos.shape[0] - positions;
  return tf.tidy(() => {
    const cos = tf.slice(table.cos, [skip, 0], [positions, dims]);
    const sin = tf.slice(table.sin, [skip, 0], [positions, dims]);
    const part = (from: number, count: number) =>
      tf.slice(x, [0, 0, 0, from], [heads, batch, positions, count]);
    const own = dims === width ? x : part(0, dims);
    const across = tf.reshape(tf.matMul(tf.reshape(own, [-1, dims]), table.turn), own.shape);
    const [kept, turned] = [tf.mul(own, cos), tf.mul(across, sin)];
    const rotated = (direction === 1 ? tf.add(kept, turned) : tf.sub(kept, turned)) as tf.Tensor4D;
    return dims === width ? rotated : (tf.concat([rotated, part(dims, width - dims)], 3) as tf.Tensor4D);
  });
}
