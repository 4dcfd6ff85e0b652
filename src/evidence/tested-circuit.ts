/** A circuit on prompts that it is tested on: what every line of the sheet asks of it, and nothing of engines. */

import { type Circuit, directionsOf, keeping, keptOf } from '../evaluate/controls.js';
import type { PromptScores } from '../evaluate/prompt-scores.js';
import { heed } from '../heed.js';
import type { LongCall, ProgressEvent } from '../progress.js';
import type { Random } from '../random.js';
import { mean } from '../statistics/summary.js';

/** Prompt pairs that masks are run on. */
export interface Prompts {
  readonly length: number;
  /** @param against masks that take the full model's place */
  score(masks: Float32Array, call?: LongCall, against?: Float32Array): Promise<PromptScores>;
  /** Of several, which costs less than one after the other. */
  scoreEach(all: readonly Float32Array[], call?: LongCall): Promise<PromptScores[]>;
}

export interface TestedCircuit extends Pick<Circuit, 'layout' | 'masked' | 'binarised'> {
  /** Of lines that need few runs. */
  prompts: Prompts;
  /** Of those that run hundreds of mask vectors: some of the same. */
  some: Prompts;
}

/** Random sets, and the level of tests. */
export interface TestSettings {
  /** Random sets of each sort. */
  draws: number;
  seed: number;
  /** Level of every test. */
  alpha: number;
}

/** Places of a circuit's directions, and of those that it leaves out. */
export function sidesOf(circuit: TestedCircuit): { all: number[]; kept: number[]; rest: number[] } {
  const all = directionsOf(circuit);
  return {
    all,
    kept: keptOf(circuit, all),
    rest: all.filter((at) => circuit.binarised[at] === 0),
  };
}

/** Masks that keep these of the directions. */
export function keepingOnly(circuit: TestedCircuit, kept: readonly number[]): Float32Array {
  return keeping(circuit, kept);
}

/** Masks that keep all of the directions but these. */
export function without(circuit: TestedCircuit, left: readonly number[]): Float32Array {
  const masks = keeping(circuit, directionsOf(circuit));
  for (const at of left) masks[at] = 0;
  return masks;
}

/** Directions by component, of those given; components without any are left out. */
export function byComponent(
  { layout, masked }: Pick<TestedCircuit, 'layout' | 'masked'>,
  directions: readonly number[],
): { component: string; directions: number[] }[] {
  return masked.flatMap((component) => {
    const { start, length } = layout.of(component);
    const own = directions.filter((at) => at >= start && at < start + length);
    return own.length > 0 ? [{ component: component.name, directions: own }] : [];
  });
}

/** As many directions of each component as the circuit has there, drawn from all of the component's. */
export function drawByComponent(circuit: TestedCircuit, random: Random): number[] {
  const { all, kept } = sidesOf(circuit);
  const sizes = new Map(
    byComponent(circuit, kept).map(({ component, directions }) => [component, directions.length]),
  );
  return byComponent(circuit, all).flatMap(({ component, directions }) =>
    random.sample(directions, sizes.get(component) ?? 0),
  );
}

/** Mask vectors that are scored together: more save no more, and are heard of less often. */
const TOGETHER = 64;

/** Mean KL from the full model of each of some mask vectors, nats. */
export async function klsOf(
  { some }: TestedCircuit,
  masks: readonly Float32Array[],
  stage: string,
  { onProgress, signal }: LongCall,
): Promise<number[]> {
  const kls: number[] = [];
  for (let from = 0; from < masks.length; from += TOGETHER) {
    await heed(signal);
    const part = masks.slice(from, from + TOGETHER);
    const heard = (event: ProgressEvent) =>
      onProgress?.({
        stage,
        done: from + Math.floor((part.length * event.done) / event.total),
        total: masks.length,
      });
    const scores = await some.scoreEach(part, { signal, onProgress: heard });
    kls.push(...scores.map(({ kl }) => mean(kl)!));
  }
  onProgress?.({ stage, done: masks.length, total: masks.length });
  return kls;
}
