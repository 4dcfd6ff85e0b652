/** The tokens on which a direction's values are largest and smallest, over a whole vocabulary. */

import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine/engine.js';
import { FrozenLinear } from '../engine/ops/linear.js';
import { toTensor } from '../engine/tensor.js';
import { heed } from '../heed.js';

export interface TokenValue {
  id: number;
  value: number;
}

export interface TokenEnds {
  /** The largest first. */
  highest: TokenValue[];
  /** The smallest first. */
  lowest: TokenValue[];
}

/** Rows and tokens of one product, at most, which is 21 MB: from 32 MB on memory comes anew from the system each time. */
const ROWS = 1280;
const TOKENS = 4096;
/** Tokens whose largest and smallest values are looked at before any value is. */
const BLOCK = 64;

/**
 * A matrix with a column for each token. Its products with rows stay on the engine: what comes from there are the
 * extremes of blocks of tokens, and then only the blocks that can hold one of the values that are looked for.
 */
export class Vocabulary {
  readonly #tiles: { first: number; tokens: number; block: number; matrix: FrozenLinear }[] = [];

  /**
   * @param matrix [d, tokens], row-major
   * @param listed how many tokens are listed, the first ones; all by default
   */
  constructor(
    engine: Engine,
    matrix: Float32Array,
    private readonly d: number,
    tokens: number,
    private readonly listed = tokens,
  ) {
    const whole = listed - (listed % BLOCK);
    for (let first = 0; first < listed; ) {
      // What is left behind whole blocks is a block of its own.
      const count = first < whole ? Math.min(TOKENS, whole - first) : listed - first;
      const part = new Float32Array(d * count);
      for (let r = 0; r < d; r++)
        part.set(matrix.subarray(r * tokens + first, r * tokens + first + count), r * count);
      const block = first < whole ? BLOCK : count;
      this.#tiles.push({
        first,
        tokens: count,
        block,
        matrix: FrozenLinear.upload(engine, part, d, count, null),
      });
      first += count;
    }
  }

  /**
   * @param rows [n, d], row-major
   * @param top tokens at each end
   * @param offsets added to each row's values, [n]
   */
  async ends(
    rows: Float32Array,
    top: number,
    offsets?: ArrayLike<number>,
    signal?: AbortSignal,
  ): Promise<TokenEnds[]> {
    const n = rows.length / this.d;
    const found: TokenEnds[] = [];
    // In equal parts: a product with few rows takes longer for each of them.
    const size = Math.ceil(n / Math.ceil(n / ROWS));
    for (let from = 0; from < n; from += size) {
      const count = Math.min(size, n - from);
      const part = toTensor(rows.slice(from * this.d, (from + count) * this.d), [count, this.d]);
      const highest = new Largest(count, Math.min(top, this.listed), 1);
      const lowest = new Largest(count, Math.min(top, this.listed), -1);
      for (const tile of this.#tiles) {
        await heed(signal);
        const product = tile.matrix.apply(part as tf.Tensor2D);
        const blocks = tf.reshape(product, [-1, tile.block]);
        await takeExtremes(blocks, tile.tokens / tile.block, tile.first, highest, lowest);
        tf.dispose([product, blocks]);
      }
      part.dispose();
      for (let row = 0; row < count; row++) {
        const offset = offsets?.[from + row] ?? 0;
        found.push({ highest: highest.of(row, offset), lowest: lowest.of(row, offset) });
      }
    }
    return found;
  }

  dispose(): void {
    for (const { matrix } of this.#tiles) matrix.dispose();
  }
}

/**
 * @param blocks [rows · blocks of a row, tokens of a block]
 * @param first id of the first token
 */
async function takeExtremes(
  blocks: tf.Tensor,
  perRow: number,
  first: number,
  highest: Largest,
  lowest: Largest,
): Promise<void> {
  const [most, least] = [tf.max(blocks, 1), tf.min(blocks, 1)];
  const [above, below] = [await most.data(), await least.data()];
  const width = blocks.shape[1]!;
  const wanted: number[] = [];
  for (let start = 0; start < above.length; start += perRow) {
    const row = start / perRow;
    const [high, low] = [
      highest.needed(row, above, start, start + perRow),
      lowest.needed(row, below, start, start + perRow),
    ];
    for (let at = start; at < start + perRow; at++)
      if (above[at]! >= high || -below[at]! >= low) wanted.push(at);
  }
  tf.dispose([most, least]);
  if (wanted.length === 0) return;
  const picked = tf.tidy(() => tf.gather(blocks, toTensor(Int32Array.from(wanted), [wanted.length])));
  const values = (await picked.data()) as Float32Array;
  picked.dispose();
  wanted.forEach((at, index) => {
    const row = Math.floor(at / perRow);
    const id = first + (at % perRow) * width;
    if (highest.takes(row, above[at]!)) highest.add(row, id, values, index * width, width);
    if (lowest.takes(row, below[at]!)) lowest.add(row, id, values, index * width, width);
  });
}

/** The largest of sign·value of each row, of equal ones the first: tokens come in the order of their ids. */
class Largest {
  readonly #ids: Int32Array;
  readonly #values: Float32Array;

  constructor(
    rows: number,
    private readonly top: number,
    private readonly sign: 1 | -1,
  ) {
    this.#ids = new Int32Array(rows * top).fill(-1);
    this.#values = new Float32Array(rows * top).fill(Number.NEGATIVE_INFINITY);
  }

  /**
   * What sign·value must reach in a block to be among the largest, given the extremes of further blocks of the row.
   * @param extremes those from `start` to `end` are the row's
   */
  needed(row: number, extremes: ArrayLike<number>, start: number, end: number): number {
    const kept = this.#values[(row + 1) * this.top - 1]!;
    let count = 0;
    for (let at = start; at < end; at++) if (this.sign * extremes[at]! > kept) count++;
    if (count === 0) return Number.POSITIVE_INFINITY;
    // All of them. A block that is only equal brings nothing in, and costs little.
    if (count <= this.top) return kept;
    const above: number[] = [];
    for (let at = start; at < end; at++) {
      const extreme = this.sign * extremes[at]!;
      if (extreme > kept) above.push(extreme);
    }
    above.sort((a, b) => b - a);
    return above[this.top - 1]!;
  }

  /** Whether a value is among the largest so far. */
  takes(row: number, value: number): boolean {
    return this.sign * value > this.#values[(row + 1) * this.top - 1]!;
  }

  /** Takes values of tokens whose ids follow each other, from `start` on. */
  add(row: number, id: number, values: Float32Array, start: number, count: number): void {
    const [from, last] = [row * this.top, (row + 1) * this.top - 1];
    for (let token = 0; token < count; token++) {
      const value = this.sign * values[start + token]!;
      if (!(value > this.#values[last]!)) continue;
      let at = last;
      for (; at > from && this.#values[at - 1]! < value; at--) {
        this.#values[at] = this.#values[at - 1]!;
        this.#ids[at] = this.#ids[at - 1]!;
      }
      this.#values[at] = value;
      this.#ids[at] = id + token;
    }
  }

  /** @param offset is added to each value */
  of(row: number, offset: number): TokenValue[] {
    const found: TokenValue[] = [];
    for (let at = row * this.top; at < (row + 1) * this.top; at++)
      // Nothing is above a value that is no number.
      if (this.#ids[at]! >= 0)
        found.push({ id: this.#ids[at]!, value: this.sign * this.#values[at]! + offset });
    return found;
  }
}

/** @param values one for each token */
export function endsOf(values: Float32Array, top: number): TokenEnds {
  const end = (sign: 1 | -1) => {
    const largest = new Largest(1, Math.min(top, values.length), sign);
    largest.add(0, 0, values, 0, values.length);
    return largest.of(0, 0);
  };
  return { highest: end(1), lowest: end(-1) };
}
