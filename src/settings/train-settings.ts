/** Settings of mask training, and the sets of defaults for them. */
import { z } from 'zod';
import { CUTS, LOSSES, PRESET_NAMES, type Preset } from './choices.js';
import { flag, number, oneOf, whole } from './schemas.js';
import { defaultsOf, table, type Values } from './table.js';

const TRAINING = { group: 'Training', determines: true };

const positive = number({ above: 0 });
const count = whole(1);
const share = number({ from: 0, to: 1 });
const price = z.union(
  [number({ from: 0 }, ' or auto'), z.literal('auto')],
  'give a number from 0 up or auto',
);
const rate = number({ from: 0, below: 1 });

export const presetSetting = table(TRAINING, {
  preset: {
    schema: oneOf(PRESET_NAMES),
    default: 'default',
    // What it stands for is recorded: each setting of training.
    recorded: false,
    describe: 'Defaults of the schedule: ours, the published one, or ours against an adversary',
  },
});

export const trainSettings = table(TRAINING, {
  loss: { schema: oneOf(LOSSES), default: 'kl', describe: 'Training loss' },
  rank: {
    schema: count.nullable(),
    default: null,
    none: 'none',
    describe: 'Learn only the first so many directions of each component; the others are masked out',
  },
  init: {
    schema: number({ above: 0, below: 1 }),
    default: 0.99,
    describe: 'Value of every mask at the start',
  },
  lr: {
    schema: positive,
    default: 0.6,
    presets: { reference: 2e-2 },
    describe: 'Learning rate of the soft phase',
  },
  lrDecay: {
    schema: share,
    default: 0.1,
    presets: { reference: 1 },
    describe: 'Share of that rate which its last step has; it falls in equal steps (1: it stays)',
  },
  betas: {
    schema: z.tuple([rate, rate], 'give two numbers from 0 to below 1, separated by a comma'),
    default: [0.9, 0.999],
    describe: "AdamW's two decay rates",
  },
  eps: { schema: positive, default: 1e-7, describe: "AdamW's ε" },
  weightDecay: { schema: number({ from: 0 }), default: 0, describe: 'Decay of the mask logits' },
  clip: { schema: positive, default: 1, describe: 'Largest norm of the gradient by the mask logits' },
  l1: {
    schema: price,
    default: 'auto',
    presets: { reference: 1.95e-4 },
    describe: 'Price λ of one whole mask in nats; auto follows from the number of directions',
  },
  l1Warmup: {
    schema: share,
    default: 0,
    describe: 'Share of the soft steps over which λ rises from 0 (0: constant, 1: annealed to the end)',
  },
  batchSize: { schema: count, default: 32, presets: { reference: 64 }, describe: 'Prompt pairs per step' },
  stepsPerBatch: { schema: count, default: 1, presets: { reference: 15 }, describe: 'Updates on each batch' },
  freshOptimiser: {
    schema: flag,
    default: false,
    presets: { reference: true },
    describe: "Forget the optimiser's moments with every batch",
  },
  epochs: {
    schema: count,
    default: 1000,
    presets: { reference: 2 },
    describe: 'Passes over the training pairs',
  },
  steps: {
    schema: count.nullable(),
    default: 120,
    presets: { reference: null },
    none: 'none',
    describe: 'Most soft steps (none: as many as the epochs hold)',
  },
  validateEvery: {
    schema: count,
    default: 20,
    presets: { reference: 15 },
    describe: 'Steps between validations and checkpoints',
  },
  stopKl: {
    schema: positive.nullable(),
    default: null,
    presets: { reference: 0.1 },
    none: 'none',
    describe: 'Stop once validation KL is below this and Σm below --stop-l1',
  },
  stopL1: {
    schema: positive.nullable(),
    default: null,
    presets: { reference: 3500 },
    none: 'none',
    describe: 'See --stop-kl',
  },
  patience: {
    schema: count.nullable(),
    default: null,
    none: 'none',
    describe: 'End a phase after so many validations without a better one',
  },
  roundingSteps: {
    schema: whole(0),
    default: 60,
    presets: { reference: 0, robust: 180 },
    describe: 'Steps of the final phase, whose forward pass has rounded masks (0: no such phase)',
  },
  roundingLr: {
    schema: positive,
    default: 0.02,
    presets: { reference: 0.1 },
    describe: 'Learning rate of the final phase',
  },
  roundingDecay: {
    schema: share,
    default: 1,
    presets: { robust: 0.05 },
    describe: 'Share of that rate which its last step has (1: it stays)',
  },
  roundingL1: { schema: price, default: 'auto', describe: 'λ of the final phase' },
  roundingL1Warmup: {
    schema: share,
    default: 0,
    describe: 'Share of its steps over which that λ rises from 0: it repairs before it prunes',
  },
  cut: {
    schema: oneOf(CUTS),
    default: 'validation',
    presets: { reference: 'half', robust: 'half' },
    describe:
      'What the final phase begins with: masks above a half, or as many as are best on the validation pairs',
  },
  roundingClamp: {
    schema: positive,
    default: 3,
    describe: 'Mask logits are first limited to ± this, so that settled masks can still change',
  },
  roundingGamma: {
    schema: z.tuple([positive, positive], 'give two numbers above 0, separated by a comma').nullable(),
    default: null,
    presets: { robust: [1, 0.1] },
    none: 'none',
    describe: 'γ of its first and last step: a mask m then costs λ·m²/(m²+γ²) instead of λ·m',
  },
  adversary: {
    schema: number({ from: 0 }),
    default: 0,
    presets: { robust: 0.5 },
    describe: "Weight of the loss at an adversary's shares of what is left out, in both phases (0: none)",
  },
  adversaryPart: {
    schema: number({ above: 0, below: 1 }),
    default: 0.5,
    describe: 'Share of each batch that is run with what the adversary puts back, the rest without',
  },
  adversaryCap: {
    schema: number({ above: 0, to: 1 }),
    default: 1,
    describe: "Largest of the adversary's shares",
  },
  adversaryStep: {
    schema: number({ above: 0, to: 1 }),
    default: 0.1,
    describe: 'How far a share moves in a training step, as a part of the largest',
  },
  adversaryRestart: {
    schema: count,
    default: 40,
    describe: 'Training steps after which shares are drawn anew',
  },
});

export type TrainSettings = Values<typeof trainSettings>;

/**
 * `reference` repeats the published schedule; `default` is ours, and `robust` is ours against an adversary
 * (docs/maths.md, "Training").
 */
export const PRESETS: Readonly<Record<Preset, TrainSettings>> = {
  default: defaultsOf(trainSettings),
  reference: defaultsOf(trainSettings, 'reference'),
  robust: defaultsOf(trainSettings, 'robust'),
};

/** λ is AUTO_PRICE / √directions where it is `auto`, in nats (docs/maths.md, "Training"). */
const AUTO_PRICE = 0.03;

/** λ as a number, for a model with so many directions. */
export function priceOf(l1: number | 'auto', directions: number): number {
  return l1 === 'auto' ? AUTO_PRICE / Math.sqrt(directions) : l1;
}
