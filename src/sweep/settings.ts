/** One run's settings as a plan may give them and as a queue carries them; checked wherever they come from. */
import { z } from 'zod';
import { BASES } from '../decompose/basis.js';
import { STORE_DTYPES } from '../decompose/store.js';
import { ENGINE_CHOICES } from '../engine/engine.js';
import { EVALUATE_DEFAULTS, evaluateSettings } from '../evaluate/evaluate.js';
import { REPLACEMENTS } from '../forward/masking-rules.js';
import { PRESETS, trainSettings } from '../masks/settings.js';
import { HEAD_KINDS, MLP_KINDS } from '../models/components.js';
import { WEIGHT_FORMS } from '../models/weights.js';
import { MOST_THREADS } from '../pool/threads.js';
import { dataFile } from '../queue/data-file.js';
import { MOST_PAIRS } from '../tasks/task.js';

const text = z.string().min(1);
const pairs = z.int().min(0).max(MOST_PAIRS);

/** A list, or text with commas. */
const listOf = <Item extends z.ZodType>(item: Item) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
    z.array(item).min(1),
  );

/** What determines a run's result, besides its model and its prompts. */
const masking = {
  form: z.enum(WEIGHT_FORMS),
  bos: z.enum(['auto', 'always', 'never']),
  components: listOf(z.enum([...HEAD_KINDS, ...MLP_KINDS])).nullable(),
  engine: z.enum(ENGINE_CHOICES),
  /** Threads inside the run, on wasm, or GPUs; a result follows their number in its last digits. */
  workers: z.int().positive().max(MOST_THREADS),
  storeDtype: z.enum(STORE_DTYPES),
  basis: z.enum(BASES),
  basisSeed: z.int32(),
  positions: z.enum(['last', 'all']),
  replacement: z.enum(REPLACEMENTS),
  seed: z.int32(),
};

/** Every setting that a plan may name: those of `orthoscope run`, in camel case. */
export const PLAN_SETTINGS = {
  model: text,
  task: text,
  corruption: text,
  templates: listOf(text),
  data: text,
  validation: text,
  test: text,
  trainPairs: pairs,
  validationPairs: pairs,
  testPairs: pairs,
  preset: z.enum(['default', 'reference']),
  ...masking,
  ...trainSettings.shape,
  ...evaluateSettings.shape,
} as const;

export type PlanSettings = Partial<{
  [Key in keyof typeof PLAN_SETTINGS]: z.infer<(typeof PLAN_SETTINGS)[Key]>;
}>;

/** Prompts of a generated task, or files. */
const prompts = z.union([
  z.strictObject({
    task: text,
    corruption: text,
    templates: z.array(text).optional(),
    counts: z.strictObject({ train: pairs, validation: pairs, test: pairs }).partial(),
  }),
  z.strictObject({ data: dataFile, validation: dataFile.optional(), test: dataFile.optional() }),
]);

/** The settings of one run, whole and without a path: what its identity is made of. */
export const runSettings = z.strictObject({
  ...masking,
  prompts,
  train: trainSettings,
  evaluate: evaluateSettings,
});
export type RunSettings = z.infer<typeof runSettings>;

/** What a plan leaves open; as the flags' defaults. */
const MASKING_DEFAULTS = {
  form: 'reference',
  bos: 'auto',
  components: null,
  engine: 'auto',
  workers: 1,
  storeDtype: 'f32',
  basis: 'svd',
  basisSeed: 0,
  positions: 'last',
  replacement: 'interchange',
  seed: 0,
} as const satisfies { [Key in keyof typeof masking]: z.infer<(typeof masking)[Key]> };

/** A plan's settings, completed from preset and defaults. */
export function completed(settings: PlanSettings, runPrompts: RunSettings['prompts']): RunSettings {
  // A setting that is there may be null: that is `none`, not an absence.
  const chosen = <Values extends object>(defaults: Values): Values =>
    Object.fromEntries(
      Object.entries(defaults).map(([key, value]) => [
        key,
        key in settings ? settings[key as keyof PlanSettings] : value,
      ]),
    ) as Values;
  return {
    ...chosen<Pick<RunSettings, keyof typeof masking>>(MASKING_DEFAULTS),
    prompts: runPrompts,
    train: chosen(PRESETS[settings.preset ?? 'default']),
    evaluate: chosen(EVALUATE_DEFAULTS),
  };
}
