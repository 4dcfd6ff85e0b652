/**
 * What the unmasked model does on prompt pairs, as plain arrays on shared memory: threads fill them together and
 * read them without a copy. Processes are sent the part that they need.
 */
import type { TokenPair } from '../formats/token-pairs.js';
import type { Masking, Replacement } from '../forward/masking-rules.js';
import { hasFixedPast } from '../forward/past.js';
import type { Kind } from '../models/components.js';
import { sharedFloat32 } from '../models/matrix.js';
import { Random } from '../random.js';
import { allocatePasts, type KeptPasts } from './kept-pasts.js';

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

/** Numbers in the block of a prompt of a length. */
function blockSize(masking: Masking, slots: readonly Slot[], length: number): number {
  return slots.reduce((sum, { layer, width }) => sum + maskedPositions(masking, layer, length) * width, 0);
}

/** Arrays for these pairs, still empty; each prompt's own coefficients follow those of the one before. */
export function allocatePairData(
  masking: Masking,
  pairs: readonly TokenPair[],
  { replacement, seed, keepPast }: PairOptions,
  allocate: (length: number) => Float32Array = sharedFloat32,
): PairData {
  const states = allocate(pairs.length * masking.architecture.dModel);
  const rows = pairs.map((_, index) => index);
  const lengths = pairs.map(({ clean }) => clean.length);
  const pasts = keepPast && hasFixedPast(masking) ? allocatePasts(masking.architecture, lengths) : null;
  const all = { pairs, replacement, states, rows, pasts };
  const slots = slotsOf(masking);
  if (replacement === 'zero' || slots.length === 0)
    return { ...all, coefficients: allocate(0), own: [], replaced: [] };
  let end = 0;
  const own = pairs.map((pair): CoefficientBlock => {
    const start = end;
    const { length } = replacement === 'interchange' ? pair.corrupted! : pair.clean;
    end += blockSize(masking, slots, length);
    return { start, length };
  });
  const partners = replacement === 'resample' ? derangement(pairs.length, seed) : rows;
  const replaced = partners.map((index) => own[index]!);
  return { ...all, coefficients: allocate(end), own, replaced };
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

/**
 * The same with arrays of its own that hold what masks on these pairs need and no more, to be sent to a process. Pasts
 * stay behind: a GPU computes them anew in less time than they take on the way.
 */
export function detached(masking: Masking, data: PairData): PairData {
  const d = masking.architecture.dModel;
  const states = new Float32Array(data.rows.length * d);
  data.rows.forEach((row, at) => states.set(data.states.subarray(row * d, (row + 1) * d), at * d));
  const slots = slotsOf(masking);
  const size = (block: CoefficientBlock) => blockSize(masking, slots, block.length);
  // Pairs may share a block.
  const blocks = [...new Set(data.replaced)];
  const moved = new Map<CoefficientBlock, CoefficientBlock>();
  const coefficients = new Float32Array(blocks.reduce((sum, block) => sum + size(block), 0));
  let start = 0;
  for (const block of blocks) {
    coefficients.set(data.coefficients.subarray(block.start, block.start + size(block)), start);
    moved.set(block, { ...block, start });
    start += size(block);
  }
  const rows = data.rows.map((_, at) => at);
  const replaced = data.replaced.map((block) => moved.get(block)!);
  return { ...data, states, rows, coefficients, own: [], replaced, pasts: null };
}

/** What a process leaves of some pairs, in their order: rows of `states`, and their own blocks of `coefficients`. */
export type FilledPairs = Pick<PairData, 'states' | 'coefficients'>;

/** Puts it where these pairs have it. */
export function takeIn(masking: Masking, data: PairData, filled: FilledPairs): void {
  const d = masking.architecture.dModel;
  data.rows.forEach((row, at) => data.states.set(filled.states.subarray(at * d, (at + 1) * d), row * d));
  const slots = slotsOf(masking);
  let from = 0;
  for (const { start, length } of data.own) {
    const to = from + blockSize(masking, slots, length);
    data.coefficients.set(filled.coefficients.subarray(from, to), start);
    from = to;
  }
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
