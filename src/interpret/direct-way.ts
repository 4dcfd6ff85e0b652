/**
 * The direct way of what directions write to the logits: past all later layers, the final normalisation frozen at its
 * factor in the unchanged run. What the paper's interventions look at.
 */
import { throwIfAborted } from '../errors.js';
import { batchesByLength, FULL_PASSES } from '../forward/passes.js';
import type { PlaceInModel } from '../forward/places.js';
import type { LongCall } from '../progress.js';
import type { Direction } from './coefficients.js';
import { normFactor, outputFactor } from './logit-reader.js';
import { lastRow, lastStream, writtenPlace } from './logit-sum.js';
import { placeValues } from './place-values.js';
import { type TakenApart, writes } from './taken-apart.js';

/** Directions, or mixtures of their components' directions. */
interface Written {
  directions: readonly Direction[];
  mixtures: readonly Float64Array[] | null;
}

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
  /** v_k or its like, by set and direction. */
  const vectors = sets.map(({ directions }) => directions.map((): Float64Array | null => null));
  const rows = new Map<string, PlaceInModel>();
  const normWeights = new Map<string, Float32Array | undefined>();
  for (const layer of layers) {
    const names = writing
      .filter(({ component }) => component.layer === layer)
      .map(({ component }) => component.name);
    const decomposed = await decomposition.layer(layer, [...new Set(names)]);
    const norms = architecture.postNorms ? (await model.layer(layer)).norms : undefined;
    sets.forEach(({ directions, mixtures }, which) => {
      directions.forEach(({ component, index }, k) => {
        if (component.layer !== layer || !writes(component.kind)) return;
        const { vt } = decomposed.get(component.name)!;
        vectors[which]![k] = mixtures
          ? mixed(mixtures[k]!, vt, d)
          : Float64Array.from(vt.subarray(index * d, (index + 1) * d));
        const key = `${layer} ${writtenPlace(component.kind)}`;
        normWeights.set(key, component.kind === 'ov' ? norms?.attention : norms?.mlp);
        if (normWeights.get(key)) rows.set(key, { layer, place: writtenPlace(component.kind) });
      });
    });
  }
  const last = lastStream(architecture);
  const factors = new Float64Array(prompts.length);
  const outputs = prompts.map(() => new Map<string, number>());
  for (const batch of batchesByLength(
    prompts.map(({ length }) => length),
    FULL_PASSES.forward,
  )) {
    throwIfAborted(signal);
    const members = batch.map((index) => prompts[index]!);
    const values = await placeValues(running, members, [...rows.values(), last]);
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

function mixed(mixture: Float64Array, vt: Float32Array, d: number): Float64Array {
  const out = new Float64Array(d);
  mixture.forEach((share, k) => {
    for (let i = 0; i < d; i++) out[i]! += share * vt[k * d + i]!;
  });
  return out;
}
