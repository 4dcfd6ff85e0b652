/**
 * From which tokens a layer's heads carry what speaks for the answer: for each token j, the sum over heads and OV
 * directions k of pattern_j (value_j W_O)·v_k, times what a unit of that coefficient adds to the logit difference at the
 * last token (docs/reading.md, "A head's output"). Over all tokens, and with the output's bias, it is what the layer's
 * attention adds directly.
 */
import type { MaskLayout } from '../forward/layout.js';
import { type Architecture, kvHeadOf } from '../models/architecture.js';
import type { Component } from '../models/components.js';
import type { ValueReaders } from './engine-directions.js';
import type { LogitSums } from './logit-sum.js';
import type { PlaceValues } from './place-values.js';

export interface LayerReach {
  layer: number;
  /** A value for each token. */
  full: number[];
  /** Of what the circuit keeps alone, on the full model's values; null without a circuit. */
  kept: number[] | null;
  /** What the output's bias adds in full, which is from no token. */
  bias: number;
}

/** A circuit's masks, flat, and their layout. */
export interface MaskedLayout {
  layout: MaskLayout;
  masks: Float32Array;
}

/**
 * @param readers of the layer's OV directions, as the engine has them
 * @param values of an unmasked pass over one prompt that read `placesOfHead` of the layer
 * @param sums of the same prompt, unmasked
 */
export function layerReach(
  layer: number,
  readers: ValueReaders,
  architecture: Architecture,
  values: PlaceValues,
  { layout, sums }: LogitSums,
  circuit: MaskedLayout | null,
): LayerReach {
  const tokens = values.prompts[0]!.length;
  const full = new Float64Array(tokens);
  const kept = circuit && new Float64Array(tokens);
  let bias = 0;
  for (const component of layout.components) {
    if (component.layer !== layer || component.kind !== 'ov') continue;
    const unit = sums[0]!.perUnit.subarray(layout.of(component).start);
    const carried = (weight: (k: number) => number, into: Float64Array) =>
      addCarried(component, weight, readers, architecture, values, into);
    bias += carried((k) => unit[k]!, full);
    if (!kept) continue;
    const masks = circuit.masks.subarray(circuit.layout.of(component).start);
    carried((k) => masks[k]! * unit[k]!, kept);
  }
  return { layer, full: rounded(full), kept: kept && rounded(kept), bias };
}

/**
 * Adds what a head carries from each token to what reads its output; returns what its share of the bias adds.
 * @param weight of what each direction writes
 */
function addCarried(
  { layer, head, rank }: Component,
  weight: (k: number) => number,
  { read: all, bias: shares }: ValueReaders,
  architecture: Architecture,
  values: PlaceValues,
  into: Float64Array,
): number {
  const { dHead } = architecture;
  /** What reads the head's mean of values, [dHead]. */
  const read = new Float64Array(dHead);
  let bias = 0;
  for (let k = 0; k < rank; k++) {
    const factor = weight(k);
    if (factor === 0) continue;
    for (let c = 0; c < dHead; c++) read[c]! += factor * all[(head! * dHead + c) * rank + k]!;
    if (shares) bias += factor * shares[head! * rank + k]!;
  }
  const pattern = values.of({ layer, place: 'pattern' });
  const [, , queries, columns] = pattern.shape as [number, number, number, number];
  const row = (head! * queries + queries - 1) * columns;
  const v = values.of({ layer, place: 'v' }).data;
  const firstValue = kvHeadOf(head!, architecture) * columns;
  for (let token = 0; token < into.length; token++) {
    let value = 0;
    for (let c = 0; c < dHead; c++) value += v[(firstValue + token) * dHead + c]! * read[c]!;
    into[token]! += pattern.data[row + token]! * value;
  }
  return bias;
}

function rounded(values: Float64Array): number[] {
  return Array.from(values, (value) => Math.round(value * 1e4) / 1e4);
}
