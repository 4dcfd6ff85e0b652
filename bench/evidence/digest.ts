/** What a study keeps of its folder: the figures that its page shows, in one file. */
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import type { Comparison } from '../../src/evidence/compare-file.js';
import type { Families } from '../../src/evidence/families-file.js';
import type { Stability } from '../../src/evidence/stability-file.js';
import type { Line, Verdict } from '../../src/evidence/verdict-file.js';
import { mean } from '../../src/statistics/summary.js';
import { needed } from './needed.js';
import type { TaskName } from './plan.js';
import type { RunResult } from './stages.js';

/** KL in nats that a circuit may have where bases are held against each other. */
export const ENOUGH = [0.1, 0.05];

export interface RunFigures {
  source: string;
  prompts: number;
  kept: number;
  directions: number;
  kl: number;
  exact_match: number;
  faithfulness: number | null;
  attacked_kl: number | null;
  /** KL of as many directions drawn at random. */
  random_kl: number | null;
  train_seconds: number;
}

export interface BasisRow extends RunFigures {
  basis: string;
  preset: string;
  /** Directions that each ranking needs for each KL of `ENOUGH`. */
  methods: { id: string; ranking: string | null; needed: (number | null)[]; cmd: number | null }[];
}

/** Spaces that the circuits of two bases keep. */
interface SharedSpaces {
  bases: [string, string];
  shared: number;
  chance: number;
  smaller: number;
}

/** What runs have in common, means over the test prompts of all of them. */
export interface StableSets {
  runs: number;
  core: number;
  contingent: number;
  noise: number;
  kl: Record<'circuits' | 'core' | 'union' | 'own_parts', number | null>;
  f_of_core: number | null;
  /** Shares of the smaller space's dimensions, means over pairs of runs. */
  spaces: { shared: number; chance: number };
}

export interface TaskFigures {
  circuit: RunFigures;
  comparison: Comparison;
  /** Over QK directions alone. */
  on_qk: Comparison;
  bases: BasisRow[];
  spaces: SharedSpaces[];
  verdict: Omit<Verdict, 'lines'> & { lines: Omit<Line, 'null_hypothesis'>[] };
  stability: Record<string, StableSets> | null;
  families: Families | null;
}

/** The content of `bench/results/evidence-NAME.json`. */
export interface StudyFigures {
  study: string;
  title: string;
  size: string;
  command: string;
  machine: string;
  engine: string;
  /** Prompts of each task. */
  prompts: Record<'train' | 'validation' | 'test', number | null>;
  tasks: Partial<Record<TaskName, TaskFigures>>;
  mixed: { run: RunFigures; families: Families } | null;
  /** Names that detectors gave heads. */
  heads: { head: string; names: string[] }[] | null;
}

export function runFigures({ manifest, metrics }: RunResult): RunFigures {
  const { source, n, binarised, controls, attack }: Metrics['splits'][string] = metrics.splits.test!;
  return {
    ...{ source, prompts: n, kept: binarised.active, directions: binarised.directions },
    ...{ kl: binarised.kl!, exact_match: binarised.exact_match!, faithfulness: binarised.faithfulness },
    attacked_kl: attack?.kl ?? null,
    random_kl: controls?.random.kl ?? null,
    train_seconds: manifest.seconds.train ?? 0,
  };
}

export function basisRow(
  basis: string,
  preset: string,
  result: RunResult,
  { methods }: Comparison,
): BasisRow {
  return {
    ...{ basis, preset, ...runFigures(result) },
    methods: methods.map(({ id, ranking, cuts, cmd }) => ({
      ...{ id, ranking, cmd: cmd?.value ?? null },
      needed: ENOUGH.map((kl) => needed(cuts, kl)),
    })),
  };
}

export function sharedSpaces({ runs, spaces }: Stability): SharedSpaces[] {
  const name = (at: number) => runs[at]!.basis.split(':')[0]!;
  return spaces.map(({ first, second, shared, chance, smaller }) => ({
    bases: [name(first), name(second)],
    ...{ shared, chance, smaller },
  }));
}

export function stableSetsOf({ runs, sets, on, spaces }: Stability): StableSets {
  const over = (of: (each: Stability['on'][number]) => (number | null | undefined)[]) =>
    mean(on.flatMap(of).filter((value) => value != null));
  const kls = (sets: readonly { kl: number }[] | null) => sets?.map(({ kl }) => kl) ?? [];
  return {
    runs: runs.length,
    ...{ core: sets!.core.length, contingent: sets!.contingent.length, noise: sets!.noise.length },
    kl: {
      circuits: over(({ circuits }) => kls(circuits)),
      core: over(({ core }) => [core?.kl]),
      union: over(({ union }) => [union?.kl]),
      own_parts: over(({ own_parts }) => kls(own_parts)),
    },
    f_of_core: over(({ core }) => [core?.f]),
    spaces: {
      shared: mean(spaces.map(({ shared, smaller }) => shared / smaller))!,
      chance: mean(spaces.map(({ chance, smaller }) => chance / smaller))!,
    },
  };
}

/** Intervals of single figures at the circuit's own size alone, where the page shows them. */
export function withoutIntervals(comparison: Comparison): Comparison {
  const none = { kl: null, exact_match: null, f: null };
  const methods = comparison.methods.map((method) => ({
    ...method,
    cuts: method.cuts.map((cut) => (cut.size === null ? cut : { ...cut, confidence: none })),
  }));
  return { ...comparison, methods };
}

/** The sheet without the draws that its statistics were counted from, which are in the study's folder. */
export function sheetOf({ lines, ...rest }: Verdict): TaskFigures['verdict'] {
  const small = (line: Line) => (line.id === 'head_groups' || line.id === 'other_task' ? line.numbers : {});
  return {
    ...rest,
    lines: lines.map(({ null_hypothesis: _, ...line }) => ({ ...line, numbers: small(line as Line) })),
  };
}

/** Six digits say all that a page shows. */
export function rounded<Value>(value: Value): Value {
  return JSON.parse(
    JSON.stringify(value, (_, each: unknown) =>
      typeof each === 'number' && !Number.isInteger(each) ? Number(each.toPrecision(6)) : each,
    ),
  ) as Value;
}
