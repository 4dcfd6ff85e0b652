/**
 * What the unmasked model does on prompt pairs, as plain arrays on shared memory: threads fill them together and
 * read them without a copy. A type for each state that they pass through: empty, filled, ready to be masked.
 */
import type { TokenPair } from '../formats/token-pairs.js';
import type { Masking, Replacement } from '../forward/masking-rules.js';
import { hasFixedPast } from '../forward/past.js';
import { sharedFloat32 } from '../models/matrix.js';
import { Random } from '../random.js';
import { blockSize, type CoefficientBlock, slotsOf, slotView } from './coefficient-slots.js';
import { allocatePasts, type KeptPasts } from './kept-pasts.js';

export interface PairOptions {
  replacement: Replacement;
  /** Of the partners that `resample` draws. */
  seed: number;
  /** Keep pasts, where masks do not reach them. */
  keepPast: boolean;
}

interface PairArrays {
  pairs: readonly TokenPair[];
  replacement: Replacement;
  /** The teacher's final normalised stream at the last token, row-major [rows, dModel]. */
  states: Float32Array;
  /** Each pair's row in `states`. */
  rows: readonly number[];
  coefficients: Float32Array;
  /** Of the clean prompts; null if none are kept. */
  pasts: KeptPasts | null;
}

/** Room for some pairs, to be written to by `fillPairs`. */
export interface EmptyPairs extends PairArrays {
  /** Where each pair's prompt leaves its coefficients; empty if the rule reads none. */
  own: readonly CoefficientBlock[];
  seed: number;
}

/** The same, written. */
export interface FilledPairs extends EmptyPairs {
  filled: true;
}

/** What masks are run on. */
export interface ReadyPairs extends PairArrays {
  /** Where each pair finds the coefficients that replace its own; empty for `zero`. Pairs may share a block. */
  replaced: readonly CoefficientBlock[];
}

/** Each prompt's own coefficients follow those of the one before. */
export function emptyPairs(
  masking: Masking,
  pairs: readonly TokenPair[],
  { replacement, seed, keepPast }: PairOptions,
  allocate: (length: number) => Float32Array = sharedFloat32,
): EmptyPairs {
  const lengths = pairs.map(({ clean }) => clean.length);
  const slots = slotsOf(masking);
  const readsNone = replacement === 'zero' || slots.length === 0;
  let end = 0;
  const own = (readsNone ? [] : pairs).map((pair): CoefficientBlock => {
    const start = end;
    const { length } = replacement === 'interchange' ? pair.corrupted! : pair.clean;
    end += blockSize(masking, slots, length);
    return { start, length };
  });
  return {
    pairs,
    replacement,
    seed,
    states: allocate(pairs.length * masking.architecture.dModel),
    rows: pairs.map((_, index) => index),
    coefficients: allocate(end),
    own,
    pasts: keepPast && hasFixedPast(masking) ? allocatePasts(masking.architecture, lengths) : null,
  };
}

/** The room of some pairs, in the same arrays. */
export function emptyPart(data: EmptyPairs, indices: readonly number[]): EmptyPairs {
  return { ...arraysOfSome(data, indices), own: pick(data.own, indices), seed: data.seed };
}

/** The same arrays, for some of the pairs. */
export function readyPart(data: ReadyPairs, indices: readonly number[]): ReadyPairs {
  return { ...arraysOfSome(data, indices), replaced: pick(data.replaced, indices) };
}

/**
 * @param parts of `all`, filled
 * @throws Error if a pair is in none of them: masks on it would be compared with zeros
 */
export function filledWhole(all: EmptyPairs, parts: readonly FilledPairs[]): FilledPairs {
  const written = new Set(parts.flatMap(({ rows }) => rows));
  const missing = all.rows.find((row) => !written.has(row));
  if (missing !== undefined) throw new Error(`pair "${all.pairs[missing]!.id}" was not filled`);
  return { ...all, filled: true };
}

/** Finds for each pair what replaces its coefficients; needs all pairs of the data set at once. */
export function readyPairs(masking: Masking, { own, seed, filled: _, ...arrays }: FilledPairs): ReadyPairs {
  const { replacement, pairs } = arrays;
  if (replacement === 'mean' && own.length > 0) {
    const coefficients = meanOf(masking, arrays.coefficients, own);
    const block = { start: 0, length: 1 };
    return { ...arrays, coefficients, replaced: pairs.map(() => block) };
  }
  if (replacement !== 'resample' || own.length === 0) return { ...arrays, replaced: own };
  return { ...arrays, replaced: derangement(pairs.length, seed).map((index) => own[index]!) };
}

/** The mean of each coefficient over prompts and their positions, as one block. */
function meanOf(
  masking: Masking,
  coefficients: Float32Array,
  blocks: readonly CoefficientBlock[],
): Float32Array {
  const slots = slotsOf(masking);
  const means = sharedFloat32(slots.reduce((sum, { width }) => sum + width, 0));
  let start = 0;
  slots.forEach(({ width }, at) => {
    const sums = new Float64Array(width);
    let rows = 0;
    for (const block of blocks) {
      const values = slotView(masking, coefficients, slots, block, at);
      for (let i = 0; i < values.length; i++) sums[i % width]! += values[i]!;
      rows += values.length / width;
    }
    for (let i = 0; i < width; i++) means[start + i] = sums[i]! / rows;
    start += width;
  });
  return means;
}

function arraysOfSome(
  { pairs, replacement, states, rows, coefficients, pasts }: PairArrays,
  indices: readonly number[],
): PairArrays {
  return {
    pairs: pick(pairs, indices),
    replacement,
    states,
    rows: pick(rows, indices),
    coefficients,
    pasts: pasts && { ...pasts, starts: pick(pasts.starts, indices), lengths: pick(pasts.lengths, indices) },
  };
}

/** @param items one for each pair, or none at all */
function pick<T>(items: readonly T[], indices: readonly number[]): T[] {
  return items.length > 0 ? indices.map((index) => items[index]!) : [];
}

/** A random cyclic order: every prompt is given another one (itself only if it is alone). */
function derangement(n: number, seed: number): number[] {
  const order = new Random(seed).fork('resample').shuffle(Array.from({ length: n }, (_, index) => index));
  const next = new Array<number>(n);
  order.forEach((index, at) => {
    next[index] = order[(at + 1) % n]!;
  });
  return next;
}
