/**
 * From which tokens a layer's heads carry what speaks for the answer: for each token j, the sum over heads and OV
 * directions k of pattern_j (value_j W_O)·v_k, times what a unit of that coefficient adds to the logit difference at the
 * last token (docs/reading.md, "A head's output"). Over all tokens, and with the output's bias, it is what the layer's
 * attention adds directly.
 */
import type { Directions } from '../decompose/directions.js';
import type { MaskLayout } from '../forward/layout.js';
import type { Architecture } from '../models/architecture.js';
import type { LayerWeights } from '../models/weights.js';
import { headWrites } from './head-sum.js';
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
 * @param heads directions of the layer's OV components
 * @param values of an unmasked pass over one prompt that read `placesOfHead` of the layer
 * @param sums of the same prompt, unmasked
 */
export function layerReach(
  layer: number,
  heads: Iterable<Directions>,
  weights: LayerWeights,
  architecture: Architecture,
  values: PlaceValues,
  { layout, sums }: LogitSums,
  circuit: MaskedLayout | null,
): LayerReach {
  const tokens = values.prompts[0]!.length;
  const full = new Float64Array(tokens);
  const kept = circuit && new Float64Array(tokens);
  let bias = 0;
  for (const directions of heads) {
    const { component } = directions;
    const { rank } = component;
    const unit = sums[0]!.perUnit.subarray(layout.of(component).start);
    const masks = circuit?.masks.subarray(circuit.layout.of(component).start);
    const { byKey, bias: fromNone } = headWrites(directions, weights, architecture, values, 0);
    for (let k = 0; k < rank; k++) bias += fromNone[k]! * unit[k]!;
    for (let token = 0; token < tokens; token++)
      for (let k = 0; k < rank; k++) {
        const adds = byKey[token * rank + k]! * unit[k]!;
        full[token]! += adds;
        if (kept) kept[token]! += masks![k]! * adds;
      }
  }
  return { layer, full: rounded(full), kept: kept && rounded(kept), bias };
}

function rounded(values: Float64Array): number[] {
  return Array.from(values, (value) => Math.round(value * 1e4) / 1e4);
}
