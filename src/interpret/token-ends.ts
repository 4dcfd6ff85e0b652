/** The tokens on which a direction's values are largest and smallest, over a whole vocabulary. */
import { setImmediate } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import { throwIfAborted } from '../errors.js';

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

/** Values that are there at once. */
const AT_ONCE = 2 ** 24;

export class Vocabulary {
  readonly #matrix: tf.Tensor2D;

  /**
   * @param matrix [d, tokens], row-major
   * @param spelt tokens that the tokenizer knows, the first ones: others are not listed
   */
  constructor(
    matrix: Float32Array,
    private readonly d: number,
    private readonly tokens: number,
    private readonly spelt = tokens,
  ) {
    this.#matrix = toTensor(matrix, [d, tokens]) as tf.Tensor2D;
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
    const step = Math.max(1, Math.floor(AT_ONCE / this.tokens));
    const found: TokenEnds[] = [];
    for (let from = 0; from < n; from += step) {
      // Nothing else lets Ctrl-C be heard before all rows are done.
      await setImmediate();
      throwIfAborted(signal);
      const count = Math.min(step, n - from);
      const part = toTensor(rows.slice(from * this.d, (from + count) * this.d), [count, this.d]);
      const product = tf.matMul(part as tf.Tensor2D, this.#matrix);
      const values = (await product.data()) as Float32Array;
      tf.dispose([part, product]);
      for (let row = 0; row < count; row++) {
        const own = values.subarray(row * this.tokens, row * this.tokens + this.spelt);
        found.push(endsOf(own, Math.min(top, this.spelt), offsets?.[from + row] ?? 0));
      }
    }
    return found;
  }

  dispose(): void {
    this.#matrix.dispose();
  }
}

/** @param values one a token */
export function endsOf(values: Float32Array, top: number, offset = 0): TokenEnds {
  return { highest: largest(values, top, 1, offset), lowest: largest(values, top, -1, offset) };
}

/** The largest of sign·values; of equal ones the first. */
function largest(values: Float32Array, top: number, sign: 1 | -1, offset: number): TokenValue[] {
  const ids: number[] = [];
  let least = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < values.length; id++) {
    const value = sign * values[id]!;
    if (ids.length === top && value <= least) continue;
    let at = ids.length;
    while (at > 0 && sign * values[ids[at - 1]!]! < value) at--;
    ids.splice(at, 0, id);
    if (ids.length > top) ids.pop();
    least = sign * values[ids.at(-1)!]!;
  }
  return ids.map((id) => ({ id, value: values[id]! + offset }));
}
