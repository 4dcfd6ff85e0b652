/** Coefficients σ_k y_k of chosen directions at chosen tokens of prompts: what a direction adds of its v_k. */

import type { MaskedModel } from '../forward/masked-model.js';
import { batchesByLength, FULL_PASSES } from '../forward/passes.js';
import { coefficientsOf, type PlaceInModel } from '../forward/places.js';
import { heed } from '../heed.js';
import type { Component } from '../models/components.js';
import type { LongCall } from '../progress.js';
import type { ScoredComponent } from '../score/chosen-directions.js';
import { placeValues } from './place-values.js';

/** One direction of a model. */
export interface Direction {
  component: Component;
  index: number;
}

/** `L9H6.ov.28`. */
export function directionName({ component, index }: Direction): string {
  return `${component.name}.${index}`;
}

export function directionsOf(chosen: readonly ScoredComponent[]): Direction[] {
  return chosen.flatMap(({ component, indices }) => indices.map((index) => ({ component, index })));
}

/** Of each prompt, [chosen tokens, directions], row-major. */
export type Coefficients = Float32Array[];

/**
 * @param directions of kinds that are loaded, QK by plane excepted
 * @param tokens which tokens of each prompt, from 0
 * @param options.atOnce most positions, padding included, in one pass
 */
export async function readCoefficients(
  running: MaskedModel,
  prompts: readonly Int32Array[],
  directions: readonly Direction[],
  tokens: readonly (readonly number[])[],
  { atOnce = FULL_PASSES.forward, onProgress, signal }: { atOnce?: number } & LongCall = {},
): Promise<Coefficients> {
  const { layout, sigma } = running;
  const places = new Map<string, PlaceInModel>();
  const columns = directions.map(({ component, index }) => {
    const { kind, layer } = component;
    const place: PlaceInModel = { layer, place: coefficientsOf(kind) };
    places.set(`${layer}.${kind}`, place);
    const at = layout.of(component).start + index;
    // OV's place holds σ_k y_k, the others y_k.
    return { place, column: at - layout.block(layer, kind)!.start, unit: kind === 'ov' ? 1 : sigma[at]! };
  });
  const lastOnly = prompts.every(({ length }, p) => tokens[p]!.length === 1 && tokens[p]![0] === length - 1);
  const reach = lastOnly ? 'last' : 'all';
  const found = prompts.map((_, p) => new Float32Array(tokens[p]!.length * directions.length));
  let done = 0;
  for (const batch of batchesByLength(
    prompts.map(({ length }) => length),
    atOnce,
  )) {
    await heed(signal);
    const members = batch.map((index) => prompts[index]!);
    const options = { positions: reach, ends: reach, signal } as const;
    const values = await placeValues(running, members, [...places.values()], options);
    columns.forEach(({ place, column, unit }, at) => {
      const { data, shape } = values.of(place);
      const [rows, width] = [shape[0]! / members.length, shape[1]!];
      batch.forEach((index, p) => {
        tokens[index]!.forEach((token, t) => {
          const row = (p + 1) * rows - members[p]!.length + token;
          found[index]![t * directions.length + at] = unit * data[row * width + column]!;
        });
      });
    });
    done += batch.length;
    onProgress?.({ stage: 'read', done, total: prompts.length });
  }
  return found;
}
