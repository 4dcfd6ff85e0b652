/** Where the coefficients of a prompt lie in one flat array: block by block of prompts, and in each slot by slot. */
import type { Masking } from '../forward/masking-rules.js';
import type { Kind } from '../models/components.js';

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
export function blockSize(masking: Masking, slots: readonly Slot[], length: number): number {
  return slots.reduce((sum, { layer, width }) => sum + maskedPositions(masking, layer, length) * width, 0);
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
