/** Settings of mask training, their presets and their checks. */
import { z } from 'zod';

const positive = z.number().positive();
const count = z.number().int().positive();
const price = z.union([z.number().min(0), z.literal('auto')]);

export const trainSettings = z.strictObject({
  loss: z.enum(['kl', 'logit_diff', 'cross_entropy']),
  /** Only the first so many directions of each component are learned, the others are masked out; null: all. */
  rank: count.nullable(),
  /** Value of every mask at the start. */
  init: z.number().gt(0).lt(1),
  lr: positive,
  /** Share of that rate which the last soft step has; it falls in equal steps. 1: it stays. */
  lrDecay: z.number().min(0).max(1),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]),
  eps: positive,
  weightDecay: z.number().min(0),
  /** Largest norm of the gradient by the mask logits. */
  clip: positive,
  /** λ, the price of one whole mask, in nats; `auto` follows from the number of directions. */
  l1: price,
  /** Share of the soft steps over which λ rises linearly from 0; 0 is constant, 1 anneals to the end. */
  l1Warmup: z.number().min(0).max(1),
  batchSize: count,
  /** Updates on each batch before the next one. */
  stepsPerBatch: count,
  /** Forget the optimiser's moments with every batch. */
  freshOptimiser: z.boolean(),
  /** Passes over the training pairs. */
  epochs: count,
  /** Most soft steps; null: as many as the epochs hold. */
  steps: count.nullable(),
  /** Steps between validations (and checkpoints). */
  validateEvery: count,
  /** The soft phase ends once validation KL and Σm are both below these; null: never. */
  stopKl: positive.nullable(),
  stopL1: positive.nullable(),
  /** End a phase after so many validations without a better one; null: never. */
  patience: count.nullable(),
  /** Steps of the final phase: masks are rounded in the forward pass, the gradient goes through the sigmoid. 0: none. */
  roundingSteps: z.number().int().min(0),
  roundingLr: positive,
  /** As `lrDecay`, of the rounding phase. */
  roundingDecay: z.number().min(0).max(1),
  /** λ of the final phase, `auto` as above. */
  roundingL1: price,
  /** As `l1Warmup`, of the rounding phase: it repairs before it prunes. */
  roundingL1Warmup: z.number().min(0).max(1),
  /** Mask logits are first limited to ± this, so that settled masks can still change their mind. */
  roundingClamp: positive,
  /**
   * γ of the rounding phase's first and last step, falling by equal factors: a mask m then costs λ·m²/(m²+γ²) instead
   * of λ·m. null: the latter.
   */
  roundingGamma: z.tuple([positive, positive]).nullable(),
  /** Weight of the loss at an adversary's shares of what is left out, beside the loss itself, in both phases; 0: none. */
  adversary: z.number().min(0),
  /** Largest share. */
  adversaryCap: z.number().gt(0).max(1),
  /** How far a share moves in a training step, as a part of the largest. */
  adversaryStep: z.number().gt(0).max(1),
  /** Training steps after which shares are drawn anew. */
  adversaryRestart: count,
});

export type TrainSettings = z.infer<typeof trainSettings>;

/** λ is AUTO_PRICE / √directions where it is `auto`, in nats (docs/maths.md, "Training"). */
const AUTO_PRICE = 0.03;

export type Preset = 'default' | 'reference' | 'robust';

const reference: TrainSettings = {
  loss: 'kl',
  rank: null,
  init: 0.99,
  lr: 2e-2,
  lrDecay: 1,
  betas: [0.9, 0.999],
  eps: 1e-7,
  weightDecay: 0,
  clip: 1,
  l1: 1.95e-4,
  l1Warmup: 0,
  batchSize: 64,
  stepsPerBatch: 15,
  freshOptimiser: true,
  epochs: 2,
  steps: null,
  validateEvery: 15,
  stopKl: 0.1,
  stopL1: 3500,
  patience: null,
  roundingSteps: 0,
  roundingLr: 0.1,
  roundingDecay: 1,
  roundingL1: 'auto',
  roundingL1Warmup: 0,
  roundingClamp: 3,
  roundingGamma: null,
  adversary: 0,
  adversaryCap: 1,
  adversaryStep: 0.1,
  adversaryRestart: 40,
};

const ours: TrainSettings = {
  ...reference,
  lr: 0.6,
  lrDecay: 0.1,
  l1: 'auto',
  l1Warmup: 0,
  batchSize: 32,
  stepsPerBatch: 1,
  freshOptimiser: false,
  epochs: 1000,
  steps: 120,
  validateEvery: 20,
  stopKl: null,
  stopL1: null,
  roundingSteps: 60,
  roundingLr: 0.02,
};

/**
 * `reference` repeats the published schedule (paper.md); `default` is ours, and `robust` is ours against an adversary
 * (docs/maths.md, "Training").
 */
export const PRESETS: Record<Preset, TrainSettings> = {
  reference,
  default: ours,
  robust: {
    ...ours,
    roundingSteps: 180,
    roundingLr: 0.05,
    roundingDecay: 0.05,
    roundingGamma: [1, 0.1],
    adversary: 0.5,
  },
};

/** λ as a number, for a model with so many directions. */
export function priceOf(l1: number | 'auto', directions: number): number {
  return l1 === 'auto' ? AUTO_PRICE / Math.sqrt(directions) : l1;
}
