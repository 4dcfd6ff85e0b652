/**
 * A run, or a shard of a scoring, as it is handed out to a process or over a queue: whole settings, and model and prompts by their content. It
 * names no path: where things lie is the receiver's affair.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { RunOptions } from '../run/commands.js';
import { type DataFile, dataPath, sha256 } from './data-file.js';
import type { Place } from './place.js';
import { scoreSettings } from './score-job.js';
import { type RunSettings, runSettings } from './settings.js';

const parts = {
  id: z.string().regex(/^[0-9a-f]{16}$/, 'is no id of a run'),
  model: z.strictObject({
    /** Folder name or hub id, for the reader. */
    name: z.string().max(200),
    hash: sha256,
    /** Hash of the tokenizer's files; null where the model has none. */
    tokenizer: sha256.nullable(),
  }),
};

export const runJob = z.strictObject({ kind: z.literal('run'), ...parts, settings: runSettings });
export type RunJob = z.infer<typeof runJob>;

const scoreJob = z.strictObject({ kind: z.literal('score'), ...parts, settings: scoreSettings });
export type ScoreJob = z.infer<typeof scoreJob>;

/** Whatever its kind, what it yields is a folder. */
export const anyJob = z.discriminatedUnion('kind', [runJob, scoreJob]);
export type Job = z.infer<typeof anyJob>;

/** A job, and where the files lie that it names by hash. */
export interface PlannedJob<Kind extends Job = Job> {
  job: Kind;
  files: { file: DataFile; path: string }[];
}

/** Raise it when the same settings would give another result: finished runs are then not taken for new ones. */
const IDENTITY_VERSION = 1;

/** 16 hex digits that name a job: the hash of everything that determines its result. */
export function jobId({ kind, model, settings }: Omit<RunJob, 'id'> | Omit<ScoreJob, 'id'>): string {
  const identity = {
    IDENTITY_VERSION,
    model: model.hash,
    tokenizer: model.tokenizer,
    ...(kind === 'run' ? { settings: byContents(settings) } : { kind, settings }),
  };
  return createHash('sha256').update(canonical(identity)).digest('hex').slice(0, 16);
}

/** A file of prompt pairs may be called anything. */
function byContents(settings: RunSettings): object {
  const { prompts } = settings;
  if ('task' in prompts) return settings;
  const hashes = Object.entries(prompts).map(([split, file]) => [split, file.hash]);
  return { ...settings, prompts: Object.fromEntries(hashes) };
}

/** The files that a job needs. */
export function filesOf({ kind, settings }: Job): DataFile[] {
  const files =
    kind === 'score'
      ? [...settings.data.map(({ file }) => file), settings.masks]
      : 'task' in settings.prompts
        ? []
        : [settings.prompts.data, settings.prompts.validation, settings.prompts.test];
  return files.filter((file) => file != null);
}

/** JSON with keys in alphabetical order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Jobs with the same key are expected to need the same memory. */
export function sizeKey({ kind, model, settings }: Job): string {
  const { engine, positions } = settings;
  const own =
    kind === 'run' ? [settings.components, settings.train.batchSize] : [settings.form, settings.directions];
  return JSON.stringify([kind, model.hash, engine, positions, ...own]);
}

/** The place of a job's folder in its sweep folder or worker's root, relative to it. */
export const runPath = (id: string): string => join('runs', id);

/** The run that a job asks for, with paths relative to the root in which it is done. */
export function runOptions({ id, settings }: RunJob, { model, store }: Place): RunOptions {
  const { prompts, train, evaluate, ...masking } = settings;
  return {
    common: { ...masking, model, store, memory: null },
    data: { ...promptsOf(prompts), aligned: masking.positions === 'all', seed: masking.seed },
    train,
    evaluate,
    out: runPath(id),
    resume: true,
  };
}

function promptsOf(prompts: RunSettings['prompts']): Omit<RunOptions['data'], 'aligned' | 'seed'> {
  if ('task' in prompts) return prompts;
  const { data, validation, test } = prompts;
  return {
    data: dataPath(data),
    validation: validation && dataPath(validation),
    test: test && dataPath(test),
    counts: {},
  };
}
