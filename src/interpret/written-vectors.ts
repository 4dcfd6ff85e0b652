/** What directions write into the stream, each a vector of it. */
import type { Decomposition } from '../decompose/directions.js';
import type { Direction } from './coefficients.js';
import { writes } from './taken-apart.js';

/** Directions, or mixtures of their components' directions. */
export interface Written {
  directions: readonly Direction[];
  /** By what each takes of its component's v_k; null: the directions themselves. */
  mixtures: readonly Float64Array[] | null;
}

/** @returns of each set, v_k or the mixture of each direction, [dModel]; null where it does not write to the stream */
export async function writtenVectors(
  decomposition: Decomposition,
  sets: readonly Written[],
  d: number,
): Promise<(Float64Array | null)[][]> {
  const vectors = sets.map(({ directions }) => directions.map((): Float64Array | null => null));
  const components = sets.flatMap(({ directions }) => directions.map(({ component }) => component));
  const writing = components.filter(({ kind }) => writes(kind));
  for (const layer of new Set(writing.map((component) => component.layer))) {
    const names = writing.filter((component) => component.layer === layer).map(({ name }) => name);
    const decomposed = await decomposition.layer(layer, [...new Set(names)]);
    sets.forEach(({ directions, mixtures }, which) => {
      directions.forEach(({ component, index }, k) => {
        if (component.layer !== layer || !writes(component.kind)) return;
        const { vt } = decomposed.get(component.name)!;
        vectors[which]![k] = mixtures
          ? mixed(mixtures[k]!, vt, d)
          : Float64Array.from(vt.subarray(index * d, (index + 1) * d));
      });
    });
  }
  return vectors;
}

function mixed(mixture: Float64Array, vt: Float32Array, d: number): Float64Array {
  const out = new Float64Array(d);
  mixture.forEach((share, k) => {
    for (let i = 0; i < d; i++) out[i]! += share * vt[k * d + i]!;
  });
  return out;
}
