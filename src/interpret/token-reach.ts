/**
 * From which tokens a layer's heads carry what speaks for the answer: for each token j, the sum over heads and OV
 * directions k of pattern_j (value_j W_O)·v_k, times what a unit of that coefficient adds to the logit difference at the
 * last token (docs/reading.md, "A head's output"). Over all tokens, and with the output's bias, it is what the layer's
 * attention adds directly.
 */
import type { Directions } from '../decompose/directions.js';
import type { MaskLayout } from '../forward/layout.js';
import { type Architecture, kvHeadOf } from '../models/architecture.js';
import type { LayerWeights } from '../models/weights.js';
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
    const unit = sums[0]!.perUnit.subarray(layout.of(component).start);
    const carried = (written: Float64Array, into: Float64Array) =>
      addCarried(directions, written, weights, architecture, values, into);
    bias += carried(writtenTo(directions, unit), full);
    if (!kept) continue;
    const masks = circuit.masks.subarray(circuit.layout.of(component).start);
    carried(
      writtenTo(directions, unit, (k) => masks[k]!),
      kept,
    );
  }
  return { layer, full: rounded(full), kept: kept && rounded(kept), bias };
}

/** What the logit difference takes of the stream by way of a head's directions: Σ_k w_k unit_k v_k, [dModel]. */
function writtenTo(
  { component: { rank, cols }, vt }: Directions,
  unit: Float64Array,
  weight: (k: number) => number = () => 1,
): Float64Array {
  const read = new Float64Array(cols);
  for (let k = 0; k < rank; k++) {
    const factor = weight(k) * unit[k]!;
    if (factor === 0) continue;
    for (let i = 0; i < cols; i++) read[i]! += factor * vt[k * cols + i]!;
  }
  return read;
}

/** Adds what a head carries from each token to what reads its output; returns what its share of the bias adds. */
function addCarried(
  { component: { layer, head } }: Directions,
  written: Float64Array,
  { o }: LayerWeights,
  architecture: Architecture,
  values: PlaceValues,
  into: Float64Array,
): number {
  const { dHead, dModel: d, nHeads } = architecture;
  /** W_O's rows times what reads them, [dHead]. */
  const read = Float64Array.from({ length: dHead }, (_, c) => {
    let sum = 0;
    for (let i = 0; i < d; i++) sum += o.weight[(head! * dHead + c) * d + i]! * written[i]!;
    return sum;
  });
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
  let bias = 0;
  if (o.bias) for (let i = 0; i < d; i++) bias += (o.bias[i]! / nHeads) * written[i]!;
  return bias;
}

function rounded(values: Float64Array): number[] {
  return Array.from(values, (value) => Math.round(value * 1e4) / 1e4);
}
