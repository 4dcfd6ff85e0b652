/**
 * What a head writes towards a logit difference, by direction and by the token that it comes from (docs/reading.md,
 * "A head's output"). The coefficient of OV direction k at the last token is
 *
 *     σ_k y_k = Σ_j pattern_j (value_j W_O)·v_k + (b_O/H)·v_k.
 */
import type { Directions } from '../decompose/directions.js';
import type { PlaceInModel } from '../forward/places.js';
import { type Architecture, kvHeadOf } from '../models/architecture.js';
import type { LayerWeights } from '../models/weights.js';
import type { PlaceValues } from './place-values.js';

export interface HeadWrites {
  /** σ_k y_k that comes from each token, [keys, rank], row-major. */
  byKey: Float64Array;
  /** That of the output's bias, [rank]. */
  bias: Float64Array;
}

/** What a pass must read for {@link headWrites}. */
export function placesOfHead(layer: number): PlaceInModel[] {
  return [
    { layer, place: 'pattern' },
    { layer, place: 'v' },
  ];
}

/**
 * @param directions of an OV component
 * @param values of an unmasked pass that read {@link placesOfHead}
 * @param prompt which of its prompts
 */
export function headWrites(
  { component, vt }: Directions,
  { o }: LayerWeights,
  architecture: Architecture,
  values: PlaceValues,
  prompt: number,
): HeadWrites {
  const { dHead, dModel: d, nHeads } = architecture;
  const { layer, rank } = component;
  const head = component.head!;
  const padding = values.paddingOf(prompt);
  const pattern = values.of({ layer, place: 'pattern' });
  const [, batch, queries, columns] = pattern.shape as [number, number, number, number];
  const row = ((head * batch + prompt) * queries + queries - 1) * columns;
  const v = values.of({ layer, place: 'v' }).data;
  const firstValue = (kvHeadOf(head, architecture) * batch + prompt) * columns;
  const keys = columns - padding;
  const byKey = new Float64Array(keys * rank);
  const bias = new Float64Array(rank);
  for (let k = 0; k < rank; k++) {
    /** W_O v_k, [dHead]. */
    const read = Float64Array.from({ length: dHead }, (_, c) => {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += o.weight[(head * dHead + c) * d + i]! * vt[k * d + i]!;
      return sum;
    });
    if (o.bias) for (let i = 0; i < d; i++) bias[k]! += (o.bias[i]! / nHeads) * vt[k * d + i]!;
    for (let key = 0; key < keys; key++) {
      const column = padding + key;
      let value = 0;
      for (let c = 0; c < dHead; c++) value += v[(firstValue + column) * dHead + c]! * read[c]!;
      byKey[key * rank + k] = pattern.data[row + column]! * value;
    }
  }
  return { byKey, bias };
}
