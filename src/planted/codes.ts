/**
 * Vectors of a planted model's stream, before it is turned: an axis for each thing that the model knows. In these axes
 * most vectors are one-hot.
 */
import type { Random } from '../random.js';

/** Value by axis; axes without one are 0. */
export type Code = ReadonlyMap<number, number>;

/** Hands out axes, each once. */
export class Axes {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  one(): Code {
    return new Map([[this.#count++, 1]]);
  }

  several(n: number): Code[] {
    return Array.from({ length: n }, () => this.one());
  }

  /**
   * n unit vectors on fewer axes, as far from each other as picking the best of many draws makes them: superposition.
   * With as many axes as vectors, one axis each.
   */
  crowded(n: number, axes: number, random: Random): Code[] {
    const own = this.several(axes);
    if (axes >= n) return own.slice(0, n);
    const codes: Code[] = [];
    for (let i = 0; i < n; i++) {
      const overlap = (code: Code) => Math.max(0, ...codes.map((other) => Math.abs(dot(code, other))));
      const draws = Array.from({ length: 500 }, () => randomUnit(own, random));
      codes.push(draws.reduce((best, draw) => (overlap(draw) < overlap(best) ? draw : best)));
    }
    return codes;
  }
}

/** Σ of codes, each times its factor. */
export function combine(...parts: readonly (readonly [Code, number])[]): Code {
  const sum = new Map<number, number>();
  for (const [code, factor] of parts)
    for (const [axis, value] of code) sum.set(axis, (sum.get(axis) ?? 0) + factor * value);
  return sum;
}

export function scaled(code: Code, factor: number): Code {
  return combine([code, factor]);
}

export function dot(a: Code, b: Code): number {
  let total = 0;
  for (const [axis, value] of a) total += value * (b.get(axis) ?? 0);
  return total;
}

/** A direction drawn uniformly from the span of orthogonal unit codes. */
export function randomUnit(span: readonly Code[], random: Random): Code {
  const drawn = combine(...span.map((code) => [code, random.normal()] as const));
  return scaled(drawn, 1 / Math.sqrt(dot(drawn, drawn)));
}
