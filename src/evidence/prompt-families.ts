/** Prompts that a model answers in the same way: their attributions, clustered (arXiv 2605.09129, 2602.13483). */
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import type { LossKind } from '../settings/choices.js';
import { angularDistances, dot, silhouette, ward } from '../statistics/clusters.js';
import type { RankedOn } from './rank-directions.js';
import { attribution } from './rank-directions.js';

/** At most so many families are looked for unasked. */
const MOST = 8;

/**
 * What each direction adds to each prompt's score, to first order: gradient × mask, a prompt at a time.
 * @returns of each prompt, [directions]
 */
export async function promptAttributions(
  on: Pick<RankedOn, 'length' | 'objective'>,
  directions: number,
  score: LossKind,
  stage: string,
  { signal, onProgress }: LongCall = {},
): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for (let prompt = 0; prompt < on.length; prompt++) {
    await heed(signal);
    onProgress?.({ stage, done: prompt, total: on.length });
    found.push(await attribution(on, directions, score, [prompt]));
  }
  onProgress?.({ stage, done: on.length, total: on.length });
  return found;
}

export interface Families {
  /** Of each prompt, from 0. */
  labels: number[];
  /** Of each number of families that was looked at, how well it separates. */
  silhouettes: { families: number; silhouette: number }[];
  /** Mean attribution of each family's prompts, each scaled to length 1. */
  centres: Float32Array[];
}

/**
 * Ward's clustering of attributions scaled to length 1, which tells prompts apart by what they rest on and not by how
 * much. Unless a number is asked for, as many families as separate best, of 2 to 8 (mean silhouette).
 */
export function familiesOf(attributions: readonly Float32Array[], asked: number | null): Families {
  const n = attributions.length;
  const distances = angularDistances(attributions);
  const partitions = ward(distances, n, Math.min(asked ?? MOST, n));
  const looked = asked === null ? partitions.slice(1) : partitions.slice(-1);
  const silhouettes = looked.map((labels) => ({
    families: 1 + Math.max(...labels),
    silhouette: silhouette(distances, labels),
  }));
  const best = silhouettes.reduce((one, other) => (other.silhouette > one.silhouette ? other : one));
  const labels = partitions[best.families - 1]!;
  return { labels, silhouettes, centres: centresOf(attributions, labels) };
}

function centresOf(attributions: readonly Float32Array[], labels: readonly number[]): Float32Array[] {
  const sizes = new Map<number, number>();
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  const centres = [...sizes].map(() => new Float32Array(attributions[0]!.length));
  attributions.forEach((own, i) => {
    const scale = Math.sqrt(dot(own, own)) * sizes.get(labels[i]!)!;
    const centre = centres[labels[i]!]!;
    if (scale > 0) for (let at = 0; at < own.length; at++) centre[at]! += own[at]! / scale;
  });
  return centres;
}

/** The family of a prompt that was not clustered: whose centre its attribution, scaled to length 1, is nearest to. */
export function familyOf(attribution: Float32Array, centres: readonly Float32Array[]): number {
  const scale = Math.sqrt(dot(attribution, attribution)) || 1;
  const distances = centres.map((centre) => dot(centre, centre) - (2 * dot(centre, attribution)) / scale);
  return distances.indexOf(Math.min(...distances));
}
