/** `metrics.json`: its schema, from which the types of all results are inferred, and how it is read. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { sha256 } from '../formats/file-hash.js';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { KINDS } from '../settings/choices.js';
import { attackMetrics } from './attack-figures.js';
import { CONTROLS } from './controls.js';
import { MASKED_MEASURES, MEASURES, recordOf, SIZES } from './metrics.js';

const number = z.number();
/** A figure over prompts; null where no prompt could be scored. */
const figure = number.nullable();
/** A bootstrap interval over prompts. */
const interval = z.tuple([number, number]);

/** How large a circuit is. */
const circuitSize = z.object(recordOf(SIZES, () => number));
export type CircuitSize = z.infer<typeof circuitSize>;

const maskMetrics = circuitSize.extend({
  /** Prompts. */
  n: number,
  ...recordOf(MEASURES, () => figure),
  by_kind: z.partialRecord(z.enum(KINDS), circuitSize),
  /** Bootstrap intervals over prompts, [low, high]. */
  confidence: z.object(recordOf(MEASURES, () => interval.nullable())),
});
/** What one mask vector does. */
export type MaskMetrics = z.infer<typeof maskMetrics>;

const controlMetrics = z.object({
  /** Prompts, where they are not all of the split's. */
  n: number.optional(),
  /** Directions kept. */
  active: number,
  /** The mean over draws where a control is drawn. */
  ...recordOf(MASKED_MEASURES, () => figure),
  /** Standard deviations over draws, and how many there were; absent for controls without randomness. */
  sd: z.object(recordOf(MASKED_MEASURES, () => figure)).optional(),
  seeds: number.optional(),
});
export type ControlMetrics = z.infer<typeof controlMetrics>;

const softAndBinarised = maskMetrics.extend({ binarised: maskMetrics });

const splitMetrics = softAndBinarised.extend({
  /** Where the prompt pairs came from, and the hash of what the model saw. */
  source: z.string(),
  hash: sha256,
  /** What faithfulness divides by; null without distractors. */
  denominator: z
    .object({
      /** The full model's logit difference minus that with every masked direction replaced. */
      mean: number,
      confidence: interval,
      /** Prompts on which it is below a tenth of its mean: no ratio of theirs alone would mean anything. */
      near_zero: number,
    })
    .nullable(),
  /** The soft masks that the rounding phase began with; null where there was none. */
  before_rounding: softAndBinarised.nullable(),
  /** Under the same replacement rule; null where none were asked for. */
  controls: z
    .object(
      recordOf(
        CONTROLS.map(({ key }) => key),
        () => controlMetrics,
      ),
    )
    .nullable(),
  /** What an adversary made of the circuit; null where none was asked for. */
  attack: attackMetrics.nullable(),
});
/** The masks as learned and, under `binarised`, the circuit that they stand for. */
export type SplitMetrics = z.infer<typeof splitMetrics>;

/** What figures were measured on and how, besides the prompts: what they mean hangs on it. */
const measured = z.object({
  model: z.object({ id: z.string(), hash: sha256 }),
  weight_form: z.string(),
  /** SHA-256 of the masks file. */
  masks: sha256,
  /** Where OV and MLP masks act, and what takes the place of what they leave out. */
  positions: z.string(),
  replacement: z.string(),
  /** Directions whose mask is above it are the circuit. */
  threshold: number,
  /** Of controls, resampled prompts and intervals. */
  seed: number,
  control_seeds: number,
  /** Coverage of the intervals, and how many times prompts were drawn anew for them. */
  level: number,
  resamples: number,
});

/** How many of a kind's components have masks; the others run whole, and their directions are not counted. */
const coverage = z.object({ components: number, masked: number, whole_directions: number });
export type Coverage = z.infer<typeof coverage>;

/** How far training had come when it ended; see `settling.ts`. */
const settling = z.object({
  /** Steps done in each phase. */
  steps: z.object({ soft: number, rounding: number }),
  /** Σm at the first and at the last soft step. */
  sum: z.object({ start: number, end: number }),
  /** By how much Σm moved over the last fifth of a phase's steps, as a share of it; null for a phase of one step or none. */
  drift: z.object({ soft: number.nullable(), rounding: number.nullable() }),
  /** How many soft masks lay between 0.05 and 0.95 at the end of the soft phase, of how many. */
  undecided: number,
  directions: number,
  /** Why the masks do not count as settled; null where they do. */
  unsettled: z
    .enum(['too few steps', 'soft masks moved', 'soft masks near their start', 'kept directions moved'])
    .nullable(),
});
export type Settling = z.infer<typeof settling>;

const metrics = z.object({
  schema_version: z.literal(2),
  measured,
  /** By kind of the model's components. */
  coverage: z.partialRecord(z.enum(KINDS), coverage),
  /** Null where it is not known how the masks were trained. */
  settling: settling.nullable(),
  splits: z
    .record(z.string(), splitMetrics)
    .refine((splits) => Object.keys(splits).length > 0, 'holds no split'),
});
/** The content of `metrics.json`: figures of masks, by split, and what they were measured on. */
export type Metrics = z.infer<typeof metrics>;

/**
 * @returns what the file holds, figures that a later program added included
 * @throws InputError if the file is missing or holds no metrics that this program knows
 */
export async function readMetrics(path: string): Promise<Metrics> {
  const content: unknown = await readJson(path);
  const result = metrics.safeParse(content);
  // Not the parsed copy, which lacks what the schema does not name.
  if (result.success) return content as Metrics;
  throw new InputError(`${inputErrorOf(result.error, path, content).message}; evaluate again`);
}
