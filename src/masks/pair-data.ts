/**
 * What the unmasked model does on prompt pairs, as plain arrays on shared memory: threads fill them together and
 * read them without a copy.
 */
import type { TokenPair } from '../formats/token-pairs.js';
import type { Architecture } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import { sharedFloat32 } from '../models/matrix.js';
import { Random } from '../random.js';
import { allocatePasts, type KeptPasts } from './kept-pasts.js';
import type { MaskLayout } from './layout.js';
import type { Positions } from './masked-model.js';
import { hasFixedPast } from './past.js';
import type { Replacement } from './prepared-pairs.js';

/** What decides which coefficients are kept. */
export interface Masking {
  architecture: Architecture;
  layout: MaskLayout;
  positions: Positions;
}

/** A layer and kind that has replaced coefficients: all masked kinds but QK, which is only ever scaled. */
export interface Slot {
  layer: number;
  kind: Kind;
  /** Directions. */
  width: number;
}

/** Coefficients of one prompt: row-major [positions, width] slot after slot, from `start` on. */
export interface CoefficientBlock {
  start: number;
  /** Tokens of the prompt, of which a slot may hold the last one only; a mean counts as one token. */
  length: number;
}

export interface PairData {
  pairs: readonly TokenPair[];
  replacement: Replacement;
  /** The teacher's final normalised stream at the last token, row-major [rows, dModel]. */
  states: Float32Array;
  /** Each pair's row in `states`. */
  rows: readonly number[];
  coefficients: Float32Array;
  /** Where each pair's prompt leaves its coefficients; empty if the rule reads none. */
  own: readonly CoefficientBlock[];
  /** Where each pair finds those that replace its own; empty for `zero`. */
  replaced: readonly CoefficientBlock[];
  /** Of the clean prompts; null if none are kept. */
  pasts: KeptPasts | null;
}

export interface PairOptions {
  replacement: Replacement;
  seed: number;
  /** Keep pasts, where masks do not reach them. */
  keepPast: boolean;
}

export function slotsOf({ architecture, layout }: Masking): Slot[] {
  const slots: Slot[] = [];
  for (let layer = 0; layer < architecture.nLayers; layer++)
    for (const kind of layout.kinds)
      if (kind !== 'qk') slots.push({ layer, kind, width: layout.block(layer, kind)!.length });
  return slots;
}

/** Number of positions, counted from the last, whose coefficients block `layer` masks in prompts of a length. */
export function maskedPositions({ architecture, positions }: Masking, layer: number, length: number): number {
  return positions === 'last' || layer === architecture.nLayers - 1 ? 1 : length;
}

/** Arrays for these pairs, still empty. */
export function allocatePairData(
  masking: Masking,
  pairs: readonly TokenPair[],
  { replacement, seed, keepPast }: PairOptions,
): PairData {
  const states = sharedFloat32(pairs.length * masking.architecture.dModel);
  const rows = pairs.map((_, index) => index);
  const lengths = pairs.map(({ clean }) => clean.length);
  const pasts = keepPast && hasFixedPast(masking) ? allocatePasts(masking.architecture, lengths) : null;
  const all = { pairs, replacement, states, rows, pasts };
  const slots = slotsOf(masking);
  if (replacement === 'zero' || slots.length === 0)
    return { ...all, coefficients: sharedFloat32(0), own: [], replaced: [] };
  let end = 0;
  const own = pairs.map((pair): CoefficientBlock => {
    const start = end;
    const { length } = replacement === 'interchange' ? pair.corrupted! : pair.clean;
    for (const { layer, width } of slots) end += maskedPositions(masking, layer, length) * width;
    return { start, length };
  });
  const partners = replacement === 'resample' ? derangement(pairs.length, seed) : rows;
  const replaced = partners.map((index) => own[index]!);
  return { ...all, coefficients: sharedFloat32(end), own, replaced };
}

/** The same arrays, for some of the pairs. */
export function subsetOf(data: PairData, indices: readonly number[]): PairData {
  const pick = <T>(items: readonly T[]) => (items.length > 0 ? indices.map((index) => items[index]!) : []);
  const { pairs, rows, own, replaced, pasts } = data;
  return {
    ...data,
    pairs: pick(pairs),
    rows: pick(rows),
    own: pick(own),
    replaced: pick(replaced),
    pasts: pasts && { ...pasts, starts: pick(pasts.starts), lengths: pick(pasts.lengths) },
  };
}

/** After all pairs were run: for `mean`, the one block that replaces all others. */
export function settlePairData(masking: Masking, data: PairData): PairData {
  if (data.replacement !== 'mean' || data.own.length === 0) return data;
  const slots = slotsOf(masking);
  const coefficients = sharedFloat32(slots.reduce((sum, { width }) => sum + width, 0));
  let start = 0;
  slots.forEach(({ width }, at) => {
    const sums = new Float64Array(width);
    let rows = 0;
    for (const block of data.own) {
      const values = slotView(masking, data.coefficients, slots, block, at);
      for (let i = 0; i < values.length; i++) sums[i % width]! += values[i]!;
      rows += values.length / width;
    }
    for (let i = 0; i < width; i++) coefficients[start + i] = sums[i]! / rows;
    start += width;
  });
  const block = { start: 0, length: 1 };
  return { ...data, coefficients, own: [], replaced: data.pairs.map(() => block) };
}

/** One slot's coefficients in a block, row-major [positions, width]; a view. */
export function slotView(
  masking: Masking,
  coefficients: Float32Array,
  slots: readonly Slot[],
  { start, length }: CoefficientBlock,
  at: number,
): Float32Array {
  let from = start;
  const size = ({ layer, width }: Slot) => maskedPositions(masking, layer, length) * width;
  for (let before = 0; before < at; before++) from += size(slots[before]!);
  return coefficients.subarray(from, from + size(slots[at]!));
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
