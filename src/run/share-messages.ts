/**
 * What machines that share a batch say to one another: which model and directions, by content, and the jobs of mask
 * workers without any path. Whatever comes is held to these schemas.
 */
import { z } from 'zod';
import { recordOf, SCORES } from '../evaluate/metrics.js';
import { sha256 } from '../formats/file-hash.js';
import { KINDS, LOSSES, POSITIONS, QK_SPLITS, REPLACEMENTS, WEIGHT_FORMS } from '../settings/choices.js';
import type {
  ConductanceJob,
  ContentsJob,
  MaskJob,
  ModelJob,
  ObjectiveJob,
  PairsJob,
  ScoreJob,
} from './mask-worker.js';

const count = z.int().nonnegative();
/** Infinities and NaN, too. */
const number = z.custom<number>((value) => typeof value === 'number');
const floats = z.instanceof(Float32Array<ArrayBuffer>);
const doubles = z.instanceof(Float64Array<ArrayBuffer>);
const tokens = z.instanceof(Int32Array<ArrayBuffer>);

/** To be read before the rest, which other versions may say otherwise. */
export const greeting = z.looseObject({ version: z.string() });

export const hello = z.strictObject({
  version: z.string(),
  engine: z.enum(['native-gpu', 'native-cpu', 'wasm', 'webgpu']),
  /** Its name is for messages. */
  model: z.strictObject({ name: z.string(), hash: sha256 }),
  form: z.enum(WEIGHT_FORMS),
  qkSplit: z.strictObject({ by: z.enum(QK_SPLITS), offsets: count }),
  /** Of the decomposition, with the fingerprint of what is masked of it. */
  key: z.string().regex(/^[0-9a-f]{32}$/),
  fingerprint: z.string(),
  ranks: z.record(z.string(), count).optional(),
  kinds: z.array(z.enum(KINDS)),
  positions: z.enum(POSITIONS),
  /** Bytes that a worker is expected to take. */
  memory: count,
});
export type Hello = z.infer<typeof hello>;

const pair = z.strictObject({
  id: z.string(),
  group: z.string().optional(),
  clean: tokens,
  corrupted: tokens.nullable(),
  answers: tokens,
  distractors: tokens,
  // JSON knows no undefined: tokens without a class come as null.
  classes: z
    .array(
      z
        .string()
        .nullable()
        .transform((name) => name ?? undefined),
    )
    .optional(),
});
const pairs = z.array(pair).min(1);
const passes = z.strictObject({
  train: count.positive(),
  forward: count.positive(),
  keepPast: z.boolean(),
});
const replacement = z.enum(REPLACEMENTS);
const loss = z.enum(LOSSES);
const data = z.strictObject({
  pairs,
  replacement,
  states: floats,
  rows: z.array(count),
  coefficients: floats,
  replaced: z.array(z.strictObject({ start: count, length: count })),
  pasts: z.null(),
});

/** What of a job goes over the wire. */
type Sent<Job> = Omit<Job, 'model'>;

const scores = z.strictObject(recordOf(SCORES, () => doubles));

/** Each job's own fields, and what answers it. */
export const JOBS = {
  sigma: { job: z.strictObject({ passes }) satisfies z.ZodType<Sent<ModelJob>>, answer: floats },
  contents: {
    job: z.strictObject({ passes, pairs, replacement }) satisfies z.ZodType<Sent<ContentsJob>>,
    answer: z.strictObject({ states: floats, coefficients: floats }),
  },
  gradient: {
    job: z.strictObject({ passes, data, masks: floats, loss }) satisfies z.ZodType<Sent<ObjectiveJob>>,
    answer: z.strictObject({ kl: number, loss: number, gradient: floats }),
  },
  kl: {
    job: z.strictObject({ passes, data, masks: floats }) satisfies z.ZodType<Sent<MaskJob>>,
    answer: number,
  },
  scores: {
    job: z.strictObject({
      passes,
      data,
      all: z.array(floats),
      against: floats.optional(),
    }) satisfies z.ZodType<Sent<ScoreJob>>,
    answer: z.array(scores),
  },
  conductance: {
    job: z.strictObject({
      passes,
      data,
      loss,
      points: count.positive(),
      total: count.positive(),
    }) satisfies z.ZodType<Sent<ConductanceJob>>,
    answer: floats,
  },
  differences: {
    job: z.strictObject({ passes, data }) satisfies z.ZodType<Sent<PairsJob>>,
    answer: floats,
  },
} as const;

/** @throws Error if there is no such job */
export function jobNamed(name: string): (typeof JOBS)[keyof typeof JOBS] {
  if (!Object.hasOwn(JOBS, name)) throw new Error(`no job is called ${name}`);
  return JOBS[name as keyof typeof JOBS];
}
