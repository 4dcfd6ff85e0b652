/**
 * What planted models showed (`planted.ts`), by kind of model: a summary of its lines and its tables. By itself, after
 * `npm run build`: `node dist/bench/planted-tables.js [--save FILE]` prints those of `bench/results/planted.json`.
 */
import type { Basis } from '../src/decompose/basis.js';
import type { Positions } from '../src/forward/masking-rules.js';
import type { PlantedOptions } from '../src/planted/planted-model.js';
import type { Recovery } from '../src/planted/recovery.js';
import { mean } from '../src/statistics/summary.js';

export type RankedMethod =
  | 'learned'
  | 'attribution'
  | 'integrated'
  | 'conductance'
  | 'difference'
  | 'sigma'
  | 'random';

/**
 * The circuit that training ends with where its rounding phase begins at ½; the soft masks cut where validation KL +
 * λ · (number kept) is least; and that cut learned on from by the rounding phase (`--cut validation`).
 */
export type Way = 'half' | 'cut' | 'validation';

type Setting = Omit<PlantedOptions, 'seed'> & { positions: Positions; basis: Basis['basis'] };

/** One planted model. */
export interface Row extends Setting {
  seed: number;
  /** Settings of training that differ from the default preset, as JSON. */
  settings: string;
  directions: number;
  found: Record<Way, Recovery & { kl: number; accuracy: number }> & {
    /** Of the full model, on the test prompts. */
    full_accuracy: number;
    /** KL of the true circuit, and of all but it. */
    truth: { kl: number; without: number };
  };
  /** Of each ranking's first directions, as many as have a share of the mechanism of at least a tenth. */
  ranked: Partial<Record<RankedMethod, { f1: number; auroc: number | null }>>;
  seconds: number;
}

interface Spread {
  mean: number;
  least: number;
}

/** Models that differ by their seed alone. */
export interface Cell extends Setting {
  settings: string;
  seeds: number;
  directions: number;
  carrying: number;
  full_accuracy: number;
  ceiling: number;
  truth: { kl: number; without: number };
  auroc: number | null;
  found: Record<Way, { precision: number; recall: number; f1: Spread; kl: number }>;
  ranked: Partial<Record<RankedMethod, { f1: Spread; auroc: number | null }>>;
}

const round = (value: number) => Number(value.toFixed(4));
const spread = (values: readonly number[]): Spread => ({
  mean: round(mean(values)!),
  least: round(Math.min(...values)),
});

export function summary(rows: readonly Row[]): Cell[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const { seed, directions, found, ranked, seconds, ...setting } = row;
    const key = JSON.stringify(setting);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups].map(([key, group]): Cell => {
    const average = (of: (row: Row) => number) => round(mean(group.map(of))!);
    const maybe = (values: (number | null)[]) =>
      values.some((value) => value === null) ? null : round(mean(values as number[])!);
    const way = (name: Way) => ({
      precision: average(({ found }) => found[name].precision),
      recall: average(({ found }) => found[name].recall),
      f1: spread(group.map(({ found }) => found[name].f1)),
      kl: average(({ found }) => found[name].kl),
    });
    const methods = Object.keys(group[0]!.ranked) as RankedMethod[];
    const ranked = methods.flatMap((method) => {
      const own = group.flatMap((row) => row.ranked[method] ?? []);
      if (own.length < group.length) return [];
      return [[method, { f1: spread(own.map(({ f1 }) => f1)), auroc: maybe(own.map(({ auroc }) => auroc)) }]];
    });
    return {
      ...(JSON.parse(key) as Setting & { settings: string }),
      seeds: group.length,
      directions: average((row) => row.directions),
      carrying: average(({ found }) => found.cut.carrying),
      full_accuracy: average(({ found }) => found.full_accuracy),
      ceiling: average(({ found }) => found.cut.ceiling),
      truth: {
        kl: average(({ found }) => found.truth.kl),
        without: average(({ found }) => found.truth.without),
      },
      auroc: maybe(group.map(({ found }) => found.cut.auroc)),
      found: { half: way('half'), cut: way('cut'), validation: way('validation') },
      ranked: Object.fromEntries(ranked),
    };
  });
}

export function tables(cells: readonly Cell[]): string {
  return JSON.stringify(cells);
}
