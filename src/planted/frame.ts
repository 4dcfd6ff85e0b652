/** The frame in which a planted model's axes lie in its stream. */
import type { Random } from '../random.js';
import { orthonormal } from '../statistics/principal-angles.js';
import type { Code } from './codes.js';

/**
 * Orthonormal vectors of length `width`, width − 1 of them, all with mean 0: so a LayerNorm's mean is 0 whatever they
 * add up to. Turned, they are drawn uniformly; otherwise they are one-hot but for what keeps the mean at 0.
 */
export class Frame {
  readonly #vectors: Float64Array[];

  constructor(
    readonly width: number,
    turn: Random | null,
  ) {
    const ones = new Float64Array(width).fill(1);
    const rest = Array.from({ length: width - 1 }, (_, i) =>
      Float64Array.from({ length: width }, (_, at) => (turn ? turn.normal() : Number(at === i))),
    );
    this.#vectors = orthonormal([ones, ...rest]).slice(1);
  }

  /** A code in the stream's coordinates, [width]. */
  vector(code: Code): Float64Array {
    const out = new Float64Array(this.width);
    for (const [axis, value] of code) {
      const vector = this.#vectors[axis]!;
      for (let i = 0; i < out.length; i++) out[i]! += value * vector[i]!;
    }
    return out;
  }
}

/** Orthonormal vectors that span their space, drawn uniformly, [n][n]. */
export function randomRotation(n: number, random: Random): Float64Array[] {
  return orthonormal(
    Array.from({ length: n }, () => Float64Array.from({ length: n }, () => random.normal())),
  );
}
