/** Shards of a scoring as jobs: settings, and data and masks by their content. */
import { join } from 'node:path';
import { z } from 'zod';
import { dataFile, dataPath } from '../queue/data-file.js';
import type { Job, JobKind, JobPlace } from '../queue/job.js';
import { engineSettings, storeSettings, subjectSettings } from '../settings/run-settings.js';
import { scorePaceSettings, scoreSettings, shardSchema } from '../settings/score-settings.js';
import { schemasOf } from '../settings/table.js';
import { shardName } from '../shard.js';
import { statePath } from './score-data-sets.js';
import type { ScoreRequest } from './score-plan.js';
import { decomposeScored } from './scoring.js';

// A shard's every value would be too much to send through Redis.
const { values: _values, ...sent } = scoreSettings;

/** What determines the result, besides the model. */
const shardSettings = z.strictObject({
  ...schemasOf({ ...subjectSettings, ...engineSettings, ...storeSettings, ...sent }),
  maxRejected: scorePaceSettings.maxRejected.schema,
  /** A data set's name is part of a file name. */
  data: z.array(z.strictObject({ name: z.string().regex(/^[\w.-]{1,100}$/), file: dataFile })).min(1),
  /** Where a circuit is scored, its masks. */
  masks: dataFile.nullable(),
  /** One of two shards or more. The folder of a single one would hold tables and no statistics to join. */
  shard: shardSchema.refine(({ of }) => of > 1, 'is the only one'),
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
    const sent = [...SENT, ...new Set(data.map(({ name }) => statePath('', name)))];
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

/** What of a request its shards are sent, besides data and masks. */
export function sentSettings(request: ScoreRequest): Omit<ShardSettings, 'data' | 'masks' | 'shard'> {
  const { data: _data, masks: _masks, shard: _shard, ...own } = shardSettings.shape;
  const keys = Object.keys(own) as (keyof typeof own)[];
  return Object.fromEntries(keys.map((key) => [key, request[key]])) as ReturnType<typeof sentSettings>;
}

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
