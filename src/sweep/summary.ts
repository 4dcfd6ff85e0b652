/** What seeds agree on: mean, deviation and interval of each figure by setting, and the front of KL against size. */
import { faithfulnessOf } from '../evaluate/faithfulness.js';
import type { CircuitScores } from '../evaluate/prompt-scores.js';
import { Random } from '../random.js';
import { mean, quantile, standardDeviation } from '../statistics/summary.js';
import type { Cell } from './parquet.js';
import { FIGURES, type Figure, promptScores, type RunRow } from './results.js';

export interface FigureSummary {
  /** Over seeds. */
  mean: number | null;
  /** Over seeds (n − 1); null for one seed. */
  sd: number | null;
  /** Bootstrap interval of the mean over seeds, and over prompts where each prompt has a score. */
  interval: [number, number] | null;
}

export interface SettingSummary {
  model: string;
  model_hash: string;
  /** All settings but the seed. */
  settings: Record<string, Cell>;
  seeds: number[];
  /** Ids of the runs, in the order of the seeds. */
  runs: string[];
  figures: Record<Figure, FigureSummary>;
  /** On the Pareto front: nothing on the same prompts and model is both smaller and closer, in the mean. */
  pareto: boolean;
}

export interface SummaryOptions {
  /** Coverage of the intervals. */
  level: number;
  resamples: number;
}
export const SUMMARY_DEFAULTS: SummaryOptions = { level: 0.95, resamples: 1000 };

/** Runs that differ in nothing but the seed, by seed; settings in the order of their first run. */
export function bySetting(rows: readonly RunRow[]): RunRow[][] {
  const groups = new Map<string, RunRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.model_hash, Object.entries(row.settings).sort()]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  for (const group of groups.values()) group.sort((a, b) => a.seed - b.seed);
  return [...groups.values()];
}

export async function summarise(
  rows: readonly RunRow[],
  options: SummaryOptions = SUMMARY_DEFAULTS,
): Promise<SettingSummary[]> {
  const summaries: SettingSummary[] = [];
  for (const group of bySetting(rows)) {
    const intervals = await intervalsOf(group, options);
    const figures = Object.fromEntries(
      FIGURES.map((figure): [Figure, FigureSummary] => {
        const values = group.map((row) => row.figures[figure] ?? Number.NaN);
        return [
          figure,
          { mean: mean(values), sd: standardDeviation(values), interval: intervals[figure] ?? null },
        ];
      }),
    ) as SettingSummary['figures'];
    const { model, model_hash, settings } = group[0]!;
    summaries.push({
      model,
      model_hash,
      settings,
      seeds: group.map(({ seed }) => seed),
      runs: group.map(({ id }) => id),
      figures,
      pareto: false,
    });
  }
  markFronts(summaries);
  return summaries.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

/** The same order however the runs were found. */
function sortKey({ model, settings }: SettingSummary): string {
  return JSON.stringify([model, settings.task ?? settings.data, Object.entries(settings).sort()]);
}

/**
 * Bootstrap of means over two levels: runs are drawn anew, and within each its prompts (Davison and Hinkley 1997, 3.8);
 * where all runs were tested on the same prompts, these are drawn once for all, or their variance would seem to shrink
 * with every run. Figures that no prompt has by itself are resampled over runs alone.
 */
async function intervalsOf(
  group: readonly RunRow[],
  { level, resamples }: SummaryOptions,
): Promise<Partial<Record<Figure, [number, number]>>> {
  const perPrompt = await Promise.all(group.map(promptScores));
  const shared = new Set(group.map(({ test_hash }) => test_hash)).size === 1;
  const random = new Random(0).fork('sweep bootstrap');
  const means = new Map(FIGURES.map((figure) => [figure, [] as number[]]));
  for (let resample = 0; resample < resamples; resample++) {
    const drawn = group.map(() => random.integer(group.length));
    const draw = (run: number) => {
      const n = perPrompt[run]?.kl.length ?? 0;
      return Int32Array.from({ length: n }, () => random.integer(n));
    };
    const common = shared ? draw(0) : null;
    const prompts = drawn.map((run) => common ?? draw(run));
    for (const figure of FIGURES) {
      const values = drawn.map((run, at) => {
        const value = group[run]!.figures[figure];
        const scores = perPrompt[run];
        if (value === null || !scores) return value ?? Number.NaN;
        const over = (score: keyof CircuitScores) => meanOf(scores[score], prompts[at]!);
        if (figure === 'faithfulness')
          return faithfulnessOf(over('logit_diff'), over('full_logit_diff'), over('none_logit_diff'));
        return figure in scores ? over(figure as keyof CircuitScores) : value;
      });
      const value = mean(values);
      if (value !== null) means.get(figure)!.push(value);
    }
  }
  const tail = (1 - level) / 2;
  const intervals: Partial<Record<Figure, [number, number]>> = {};
  for (const [figure, values] of means) {
    const sorted = Float64Array.from(values).sort();
    if (sorted.length > 0) intervals[figure] = [quantile(sorted, tail), quantile(sorted, 1 - tail)];
  }
  return intervals;
}

function meanOf(values: Float64Array, indices: Int32Array): number {
  let total = 0;
  let present = 0;
  for (const index of indices) {
    const value = values[index]!;
    if (Number.isNaN(value)) continue;
    total += value;
    present++;
  }
  return present === 0 ? Number.NaN : total / present;
}

/** Only what was measured on the same model, prompts and corruption can be compared. */
function markFronts(summaries: SettingSummary[]): void {
  const fields = new Map<string, SettingSummary[]>();
  for (const summary of summaries) {
    const { task, data, corruption, templates, test } = summary.settings;
    const key = JSON.stringify([summary.model_hash, task, data, corruption, templates, test]);
    fields.set(key, [...(fields.get(key) ?? []), summary]);
  }
  for (const field of fields.values()) {
    const points = field.map(({ figures }) => [figures.active.mean!, figures.kl.mean!] as const);
    const front = paretoFront(points);
    field.forEach((summary, i) => {
      summary.pareto = front.includes(i);
    });
  }
}

/** Indices of the points that no other one beats in one coordinate without losing in the other; less is better. */
export function paretoFront(points: readonly (readonly [number, number])[]): number[] {
  return points.flatMap(([x, y], i) =>
    points.some(([otherX, otherY]) => otherX <= x && otherY <= y && (otherX < x || otherY < y)) ? [] : [i],
  );
}
