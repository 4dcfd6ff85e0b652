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
 * SmolLM2-135M. Masks begin closer to their threshold than the preset's, so that few steps suffice; the soft phase
 * prunes at a high price, and rounding repairs the circuit at a low one.
 */
const smollm2: Recipe = {
  train: (task) => ({
    ...PRESETS.default,
    init: 0.95,
    lr: 0.1,
    l1: task === 'ioi' ? 2e-4 : 4e-4,
    batchSize: 16,
    steps: 90,
    validateEvery: 30,
    roundingSteps: task === 'ioi' ? 240 : 150,
    roundingDecay: 0.1,
    roundingL1: task === 'ioi' ? 3e-5 : 8e-5,
  }),
  evaluate: { ...EVALUATE_DEFAULTS, controlSeeds: 3 },
  counts: { train: 700, validation: 64, test: 300 },
  bounds: (task) =>
    task === 'gendered-pronoun'
      ? { kl: 0.05, sparsity: 0.99 }
      : { kl: task === 'ioi' ? 0.1 : 0.25, sparsity: 0.95 },
};

export const RECIPES: Record<string, Recipe> = { embedded, smollm2 };
