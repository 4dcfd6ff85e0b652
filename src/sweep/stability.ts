/** Whether seeds find the same directions: overlaps between the circuits of runs that differ in nothing but the seed. */

import { Random } from '../random.js';
import { mean, quantile, standardDeviation } from '../statistics/summary.js';
import { type Circuit, readCircuit } from './circuit.js';
import { chanceJaccard, jaccard, jaccardAtExpected, overlaps, rankCorrelation, total } from './overlap.js';
import type { Cell } from './parquet.js';
import type { RunRow } from './results.js';
import { bySetting, type SummaryOptions } from './summary.js';

export interface Agreement {
  /** Mean over pairs of runs. */
  jaccard: number;
  /** Its mean for two independent circuits of these sizes. */
  chance: number;
  /** Mean rank correlation of the masks before rounding, over all directions: by chance 0; null if it is not defined. */
  rank_correlation: number | null;
}

export interface ComponentStability extends Agreement {
  component: string;
  directions: number;
  /** Mean over runs of the number of active directions. */
  active: number;
  /** Share of the runs in which each direction is active. */
  frequency: number[];
}

export interface Stability extends Agreement {
  model: string;
  settings: Record<string, Cell>;
  seeds: number[];
  /** Over pairs. */
  jaccard_sd: number | null;
  /** Bootstrap over runs; null for fewer than three, of which it can draw only one pair. With three or four it is too narrow. */
  jaccard_interval: [number, number] | null;
  /** The index at the expected overlap with the size of each component kept: what is above it is agreement within components. */
  chance_by_component: number;
  /** Directions active in every run, in half of them at least, and in any. */
  always: number;
  mostly: number;
  ever: number;
  directions: number;
  /** Those with an active direction in any run. */
  components: ComponentStability[];
}

/** One entry for each setting with at least two seeds. */
export async function stability(rows: readonly RunRow[], options: SummaryOptions): Promise<Stability[]> {
  const found: Stability[] = [];
  for (const group of bySetting(rows)) {
    if (group.length < 2) continue;
    const circuits: Circuit[] = [];
    for (const row of group) circuits.push(await readCircuit(row));
    const { model, settings } = group[0]!;
    found.push({ model, settings, seeds: group.map(({ seed }) => seed), ...agreement(circuits, options) });
  }
  return found;
}

/** @param circuits at least two, of one model */
export function agreement(
  circuits: readonly Circuit[],
  options: SummaryOptions,
): Omit<Stability, 'model' | 'settings' | 'seeds'> {
  const pairs = circuits.flatMap((first, i) =>
    circuits
      .slice(i + 1)
      .map((second, j) => ({ i, j: i + 1 + j, first, second, parts: overlaps(first, second) })),
  );
  const jaccards = pairs.map(({ parts }) => jaccard(total(parts.values(), false)));
  const meanOf = (values: readonly (number | null)[]) => mean(values.map((value) => value ?? Number.NaN));
  const components = [...circuits[0]!.active.keys()].flatMap((component): ComponentStability[] => {
    // Two circuits that both leave it out say nothing of how they agree on it.
    const own = pairs.map(({ parts }) => parts.get(component)!).filter(({ a, b }) => a + b > 0);
    const frequency = frequencies(circuits, component);
    if (frequency.every((share) => share === 0)) return [];
    return [
      {
        component,
        directions: frequency.length,
        active: frequency.reduce((sum, share) => sum + share, 0),
        jaccard: meanOf(own.map(jaccard))!,
        chance: meanOf(own.map(chanceJaccard))!,
        rank_correlation: meanOf(
          pairs.map(({ first, second }) => softCorrelation(first, second, [component])),
        ),
        frequency,
      },
    ];
  });
  const shares = components.flatMap(({ frequency }) => frequency);
  const names = [...circuits[0]!.active.keys()];
  return {
    jaccard: mean(jaccards)!,
    jaccard_sd: standardDeviation(jaccards),
    jaccard_interval: overRuns(circuits.length, pairs, jaccards, options),
    chance: meanOf(pairs.map(({ parts }) => chanceJaccard(total(parts.values(), false))))!,
    chance_by_component: meanOf(pairs.map(({ parts }) => jaccardAtExpected(total(parts.values(), true))))!,
    rank_correlation: meanOf(pairs.map(({ first, second }) => softCorrelation(first, second, names))),
    always: shares.filter((share) => share === 1).length,
    mostly: shares.filter((share) => share >= 0.5).length,
    ever: shares.filter((share) => share > 0).length,
    directions: names.reduce((sum, name) => sum + circuits[0]!.active.get(name)!.length, 0),
    components,
  };
}

function frequencies(circuits: readonly Circuit[], component: string): number[] {
  const { length } = circuits[0]!.active.get(component)!;
  return Array.from(
    { length },
    (_, k) => circuits.filter(({ active }) => active.get(component)![k] === 1).length / circuits.length,
  );
}

function softCorrelation(first: Circuit, second: Circuit, names: readonly string[]): number | null {
  const masks = ({ soft }: Circuit) => names.flatMap((name) => Array.from(soft.get(name)!));
  return rankCorrelation(masks(first), masks(second));
}

/** Runs are drawn anew; a run drawn twice is not compared with itself. */
function overRuns(
  runs: number,
  pairs: readonly { i: number; j: number }[],
  jaccards: readonly number[],
  { level, resamples }: SummaryOptions,
): [number, number] | null {
  if (runs < 3) return null;
  const random = new Random(0).fork('stability bootstrap');
  const means: number[] = [];
  while (means.length < resamples) {
    const times = new Float64Array(runs);
    for (let draw = 0; draw < runs; draw++) times[random.integer(runs)]!++;
    let [weight, sum] = [0, 0];
    pairs.forEach(({ i, j }, at) => {
      const both = times[i]! * times[j]!;
      weight += both;
      sum += both * jaccards[at]!;
    });
    // All draws may have fallen on one run.
    if (weight > 0) means.push(sum / weight);
  }
  const sorted = Float64Array.from(means).sort();
  const tail = (1 - level) / 2;
  return [quantile(sorted, tail), quantile(sorted, 1 - tail)];
}
