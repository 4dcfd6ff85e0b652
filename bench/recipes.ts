/** What `circuits.ts` asks of a model: schedules, sizes, and the bounds that a circuit of it should keep. */
import { EVALUATE_DEFAULTS, type EvaluateSettings } from '../src/settings/run-settings.js';
import { PRESETS, type TrainSettings } from '../src/settings/train-settings.js';
import type { SplitCounts } from '../src/tasks/splits.js';
import { MOST_PAIRS } from '../src/tasks/task.js';

export interface Bounds {
  /** Largest KL of the binarised circuit. */
  kl: number;
  /** Least relative sparsity. */
  sparsity: number;
}

export interface Recipe {
  /** Schedule, by task. */
  train(task: string): TrainSettings;
  /** What `adversary.ts` compares, by name. */
  trainings(task: string): Record<string, TrainSettings>;
  /** Controls on all pairs: circuits are held to bounds by them. */
  evaluate: EvaluateSettings;
  /** Ids of the templates, by task; all where absent. */
  templates?(task: string): string[] | undefined;
  /** Sizes, by task; the task's own where absent. */
  counts?(task: string): Partial<SplitCounts>;
  /** Of the task's prompts, which to take; all where absent. */
  keeps?(prompt: string): boolean;
  bounds(task: string): Bounds;
}

const embedded: Recipe = {
  train: () => PRESETS.default,
  trainings: () => ({ default: PRESETS.default, robust: PRESETS.robust }),
  evaluate: { ...EVALUATE_DEFAULTS, controlPairs: MOST_PAIRS },
  bounds: () => ({ kl: 0.15, sparsity: 0.8 }),
};

/**
 * SmolLM2-135M: the default soft phase at prices that end near the size that is asked for, and a longer, faster
 * rounding phase: a circuit of thousands of directions has more to repair.
 */
const SMOLLM2: Record<string, { schedule: Partial<TrainSettings>; pairs: number }> = {
  ioi: {
    // Long: at the same size 260 steps end at KL .18, these 600 at .16.
    schedule: {
      steps: 240,
      lrDecay: 0.05,
      l1: 1e-4,
      roundingSteps: 360,
      roundingDecay: 0.05,
      roundingL1: 1.2e-5,
    },
    pairs: 1400,
  },
  'greater-than': {
    schedule: { steps: 100, l1: 1.4e-4, roundingSteps: 140, roundingDecay: 0.05, roundingL1: 4e-5 },
    pairs: 1400,
  },
  'gendered-pronoun': {
    schedule: { steps: 80, l1: 3.2e-4, roundingSteps: 360, roundingDecay: 0.05, roundingL1: 9e-5 },
    pairs: 2500,
  },
};

const smollm2: Recipe = {
  train: (task) => ({
    ...PRESETS.default,
    // Their figures were made so.
    cut: 'half',
    roundingLr: 0.1,
    validateEvery: 20,
    ...SMOLLM2[task]?.schedule,
  }),
  trainings: (task) => ({ default: smollm2.train(task) }),
  evaluate: { ...EVALUATE_DEFAULTS, controlSeeds: 3, controlPairs: MOST_PAIRS },
  counts: (task) => ({ train: SMOLLM2[task]?.pairs ?? 1400, validation: 64, test: 300 }),
  // The paper has one sentence for these; on all of ours circuits are larger.
  templates: (task) =>
    (({ 'greater-than': ['lasted'], 'gendered-pronoun': ['such'] }) as Record<string, string[]>)[task],
  bounds: (task) =>
    task === 'gendered-pronoun'
      ? { kl: 0.05, sparsity: 0.99 }
      : { kl: task === 'ioi' ? 0.1 : 0.25, sparsity: 0.95 },
};

/**
 * A schedule of few steps on few prompts, to compare circuits with and without an adversary whose shares are bounded,
 * at several prices of a direction: whole shares can drive every circuit of this size that we know apart.
 */
const short: Recipe = {
  ...smollm2,
  train: (task) => ({ ...smollm2.train(task), ...SHORT }),
  trainings: (task) => ({
    default: short.train(task),
    ...Object.fromEntries(
      ['3e-4', '1e-4', '3e-5', '1e-5'].map((price) => [`robust@${price}`, bounded(task, Number(price))]),
    ),
  }),
  counts: () => ({ train: 400, validation: 16, test: 48 }),
};

const SHORT: Partial<TrainSettings> = {
  batchSize: 16,
  steps: 80,
  lrDecay: 0.1,
  roundingSteps: 40,
  roundingLr: 0.15,
  validateEvery: 40,
};

function bounded(task: string, price: number): TrainSettings {
  const prices = { l1: price, roundingL1: price / 2 };
  return { ...short.train(task), ...prices, adversary: 1, adversaryCap: 0.1, adversaryRestart: 20 };
}

/** The same prompts at the size of the independent trial's smaller gendered-pronoun circuit. */
const larger: Recipe = {
  ...smollm2,
  train: (task) => ({
    ...smollm2.train(task),
    lr: 0.3,
    lrDecay: 0.1,
    steps: 80,
    l1: 1e-4,
    roundingSteps: 320,
    roundingDecay: 0.05,
    roundingL1: 1.2e-4,
  }),
  bounds: () => ({ kl: 0.05, sparsity: 1 - 1170 / 86_400 }),
};

/** Only the noun of the paper's example: the full model is right on .79 of these prompts, as on the trial's (.77). */
const friend: Recipe = {
  ...larger,
  counts: () => ({ train: 1000, validation: 64, test: 300 }),
  keeps: (prompt) => prompt.includes(' friend,'),
};

export const RECIPES: Record<string, Recipe> = {
  embedded,
  smollm2,
  'smollm2-short': short,
  'smollm2-larger': larger,
  'smollm2-friend': friend,
};
