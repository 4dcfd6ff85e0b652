/** Shards of a scoring as jobs: settings, and data and masks by their content. */
import { join } from 'node:path';
import { z } from 'zod';
import { STORE_DTYPES } from '../decompose/store.js';
import { ENGINE_CHOICES } from '../engine/engine.js';
import { RECORD_FORMATS } from '../formats/record-stream.js';
import { MOST_OFFSETS, QK_SPLITS } from '../models/qk-split.js';
import { WEIGHT_FORMS } from '../models/weights.js';
import { dataFile, dataPath } from '../queue/data-file.js';
import type { Job, JobKind, JobPlace } from '../queue/job.js';
import { shardName } from '../shard.js';
import { LONG_PROMPTS, SCORED_POSITIONS } from './passages.js';
import { statePath } from './score-data-sets.js';
import { MOST_CONTEXT, MOST_EXAMPLES, type ScoreRequest } from './score-plan.js';
import { decomposeScored } from './scoring.js';

/** What determines the result, besides the model; as flags of `orthoscope score`. */
const shardSettings = z.strictObject({
  form: z.enum(WEIGHT_FORMS),
  qkSplit: z.enum(QK_SPLITS),
  rotaryOffsets: z.int().min(0).max(MOST_OFFSETS),
  bos: z.enum(['auto', 'always', 'never']),
  engine: z.enum(ENGINE_CHOICES),
  storeDtype: z.enum(STORE_DTYPES),
  directions: z.string().min(1),
  threshold: z.number().min(0).lt(1),
  positions: z.enum(SCORED_POSITIONS),
  long: z.enum(LONG_PROMPTS),
  maxTokens: z.int().positive().nullable(),
  examples: z.int().min(0).max(MOST_EXAMPLES),
  context: z.int().positive().max(MOST_CONTEXT),
  maxRejected: z.int().min(0),
  format: z.enum(RECORD_FORMATS).nullable(),
  /** A data set's name is part of a file name. */
  data: z.array(z.strictObject({ name: z.string().regex(/^[\w.-]{1,100}$/), file: dataFile })).min(1),
  /** Where a run is scored, its masks. */
  masks: dataFile.nullable(),
  /** Of two at least: the only one would be a whole scoring, whose folder holds no statistics. */
  shard: z
    .strictObject({ index: z.int().positive(), of: z.int().min(2) })
    .refine(({ index, of }) => index <= of, 'is beyond the last'),
});
export type ShardSettings = z.infer<typeof shardSettings>;
export type ShardJob = Job<ShardSettings>;

/** Time between two checkpoints of a shard: what is lost with its worker at most. */
const CHECKPOINT_SECONDS = 30;

/** Of what a shard's folder holds, besides its statistics. */
const SENT = ['manifest.json', 'counts.json', 'directions.json', 'rejected.jsonl'];

export const shardJobs: JobKind<ShardSettings> = {
  name: 'score',
  settings: shardSettings,
  identity: (settings) => ({ kind: 'score', settings }),
  files: ({ data, masks }) => [...data.map(({ file }) => file), ...(masks ? [masks] : [])],
  memoryKey: ({ engine, positions, form, directions }) => [engine, positions, form, directions],
  threads: () => 1,
  results: ({ data }) => {
    const sent = [...SENT, ...data.map(({ name }) => statePath('', name))];
    return { sent, needed: sent.filter((name) => name !== 'rejected.jsonl') };
  },
  matches: ({ settings, weight_form }, { shard, form }) =>
    settings.shard === shardName(shard) && weight_form === form,
  preparationKey: (settings) => {
    const { form, storeDtype, directions, masks, qkSplit, rotaryOffsets } = settings;
    return [form, storeDtype, directions, masks, qkSplit, rotaryOffsets];
  },
  prepare: (settings, place, root, call) => decomposeScored(shardRequest(settings, place, root), call),
};

/** @param root folder in which the job's files lie */
export function shardRequest(
  { data, masks, ...settings }: ShardSettings,
  { model, store, cores }: JobPlace,
  root: string,
): ScoreRequest {
  return {
    ...settings,
    model,
    store,
    workers: cores,
    memory: null,
    data: data.map(({ name, file }) => `${name}=${join(root, dataPath(file))}`),
    masks: masks && join(root, dataPath(masks)),
    values: null,
    checkpointSeconds: CHECKPOINT_SECONDS,
  };
}
