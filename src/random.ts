/** Seeded random numbers: the only importer of pure-rand. Same seed, same stream, on every machine. */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/** Seeds are whole numbers of 32 bits, with a sign: beyond them two would begin the same stream. */
export const LEAST_SEED = -(2 ** 31);
export const MOST_SEED = 2 ** 31 - 1;

export class Random {
  readonly #generator: RandomGenerator;
  #spare: number | undefined;

  constructor(readonly seed: number) {
    this.#generator = xoroshiro128plus(seed | 0);
  }

  /**
   * An independent stream for a named purpose: adding a consumer does not shift the numbers of the others.
   * The child's seed is FNV-1a of the parent's seed and the label.
   */
  fork(label: string): Random {
    let hash = 0x811c9dc5 ^ (this.seed | 0);
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    return new Random(hash | 0);
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  /** Uniform integer in [0, n). */
  integer(n: number): number {
    return uniformInt(this.#generator, 0, n - 1);
  }

  /** Standard normal, by Box and Muller. */
  normal(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** One element of a non-empty list. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)]!;
  }

  /** k different elements, in random order. */
  sample<T>(items: readonly T[], k: number): T[] {
    return this.shuffle([...items]).slice(0, k);
  }

  /** Shuffles in place (Fisher and Yates) and returns the list. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = items[i]!;
      items[i] = items[j]!;
      items[j] = held;
    }
    return items;
  }
}
