/**
 * The direct way of what directions write to the logits: past all later layers, the final normalisation frozen at its
 * factor in the unchanged run. What the paper's interventions look at.
 */

import { batchesByLength, FULL_PASSES } from '../forward/passes.js';
import type { PlaceInModel } from '../forward/places.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import { normFactor, outputFactor } from './logit-reader.js';
import { lastRow, lastStream, writtenPlace } from './logit-sum.js';
import { placeValues } from './place-values.js';
import { type TakenApart, writes } from './taken-apart.js';
import { type Written, writtenVectors } from './written-vectors.js';

/**
 * What changes of coefficients add to the normalised last state, [batch, dModel].
 * @param moved by how much the coefficient of the set's k-th direction changes in a prompt
 */
export type DirectWay = (
  batch: readonly number[],
  moved: (prompt: number, k: number) => number,
) => Float32Array;

/** @returns for each set its way; null where none of its directions writes to the stream */
export async function directWays(
  { model, decomposition, running }: TakenApart,
  prompts: readonly Int32Array[],
  sets: readonly Written[],
  { signal }: LongCall = {},
): Promise<(DirectWay | null)[]> {
  const { architecture } = model;
  const { dModel: d, norm, normEpsilon } = architecture;
  const writing = sets
    .flatMap(({ directions }) => directions)
    .filter(({ component }) => writes(component.kind));
  const layers = [...new Set(writing.map(({ component }) => component.layer))];
  const vectors = await writtenVectors(decomposition, sets, d);
  const rows = new Map<string, PlaceInModel>();
  const normWeights = new Map<string, Float32Array | undefined>();
  if (architecture.postNorms)
    for (const layer of layers) {
      const { norms } = await model.layer(layer);
      for (const { component } of writing) {
        if (component.layer !== layer) continue;
        const place = writtenPlace(component.kind);
        const key = `${layer} ${place}`;
        normWeights.set(key, component.kind === 'ov' ? norms?.attention : norms?.mlp);
        if (normWeights.get(key)) rows.set(key, { layer, place });
      }
    }
  const last = lastStream(architecture);
  const factors = new Float64Array(prompts.length);
  const outputs = prompts.map(() => new Map<string, number>());
  for (const batch of batchesByLength(
    prompts.map(({ length }) => length),
    FULL_PASSES.forward,
  )) {
    await heed(signal);
    const members = batch.map((index) => prompts[index]!);
    const values = await placeValues(running, members, [...rows.values(), last], { signal });
    batch.forEach((index, at) => {
      factors[index] = normFactor(lastRow(values, at, last), architecture);
      for (const [key, place] of rows)
        outputs[index]!.set(key, outputFactor(lastRow(values, at, place), normWeights.get(key), normEpsilon));
    });
  }
  return sets.map(({ directions }, which) => {
    const own = vectors[which]!;
    if (own.every((vector) => vector === null)) return null;
    return (batch, moved) => {
      const added = new Float32Array(batch.length * d);
      batch.forEach((index, at) => {
        const sum = new Float64Array(d);
        own.forEach((vector, k) => {
          if (!vector) return;
          const { layer, kind } = directions[k]!.component;
          const factor = moved(index, k) * (outputs[index]!.get(`${layer} ${writtenPlace(kind)}`) ?? 1);
          for (let i = 0; i < d; i++) sum[i]! += factor * vector[i]!;
        });
        const mean = norm === 'layer' ? sum.reduce((total, value) => total + value, 0) / d : 0;
        for (let i = 0; i < d; i++) added[at * d + i] = factors[index]! * (sum[i]! - mean);
      });
      return added;
    };
  });
}
