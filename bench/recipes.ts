/** What `circuits.ts` asks of a model: schedules, sizes, and the bounds that a circuit of it should keep. */
import { EVALUATE_DEFAULTS, type EvaluateSettings } from '../src/evaluate/evaluate.js';
import { PRESETS, type TrainSettings } from '../src/masks/settings.js';
import type { SplitCounts } from '../src/tasks/task.js';

export interface Bounds {
  /** Largest KL of the binarised circuit. */
  kl: number;
  /** Least relative sparsity. */
  sparsity: number;
}

export interface Recipe {
  /** Schedule, by task. */
  train(task: string): TrainSettings;
  evaluate: EvaluateSettings;
  /** The task's own sizes where absent. */
  counts?: Partial<SplitCounts>;
  bounds(task: string): Bounds;
}

const embedded: Recipe = {
  train: () => PRESETS.default,
  evaluate: EVALUATE_DEFAULTS,
  bounds: () => ({ kl: 0.15, sparsity: 0.8 }),
};

/**
 * SmolLM2-135M: the prices that an independent PyTorch trial of the same split found, in one soft and one rounding
 * phase. What the soft phase prunes at a high price, rounding repairs at a low one, at a falling rate.
 */
const SMOLLM2_PRICES: Record<string, { l1: number; roundingSteps: number; roundingL1: number }> = {
  ioi: { l1: 1.5e-4, roundingSteps: 160, roundingL1: 3e-5 },
  'greater-than': { l1: 1e-4, roundingSteps: 120, roundingL1: 5e-5 },
  'gendered-pronoun': { l1: 1e-4, roundingSteps: 200, roundingL1: 1e-4 },
};

const smollm2: Recipe = {
  train: (task) => ({
    ...PRESETS.default,
    lr: 0.05,
    lrDecay: 1,
    l1Warmup: 0.3,
    steps: 160,
    validateEvery: 40,
    roundingLr: 0.1,
    roundingDecay: 0.1,
    ...SMOLLM2_PRICES[task],
  }),
  evaluate: { ...EVALUATE_DEFAULTS, controlSeeds: 3 },
  counts: { train: 700, validation: 64, test: 300 },
  bounds: (task) =>
    task === 'gendered-pronoun'
      ? { kl: 0.05, sparsity: 0.99 }
      : { kl: task === 'ioi' ? 0.1 : 0.25, sparsity: 0.95 },
};

export const RECIPES: Record<string, Recipe> = { embedded, smollm2 };
