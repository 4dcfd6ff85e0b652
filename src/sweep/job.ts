/**
 * A run as it is handed out, to a process or over a queue: whole settings, and model and prompts by their content. It
 * names no path: where things lie is the receiver's affair.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { RunOptions } from '../run/commands.js';
import { type DataFile, type RunSettings, runSettings } from './settings.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex');

export const runJob = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{16}$/, 'is no id of a run'),
  model: z.strictObject({
    /** Folder name or hub id, for the reader. */
    name: z.string().max(200),
    hash: sha256,
    /** Hash of the tokenizer's files; null where the model has none. */
    tokenizer: sha256.nullable(),
  }),
  settings: runSettings,
});
export type RunJob = z.infer<typeof runJob>;

/** Raise it when the same settings would give another result: finished runs are then not taken for new ones. */
const IDENTITY_VERSION = 1;

/** 16 hex digits that name a run: the hash of everything that determines its result. */
export function runId({ model, settings }: Omit<RunJob, 'id'>): string {
  const { prompts } = settings;
  const contents =
    'task' in prompts
      ? prompts
      : Object.fromEntries(Object.entries(prompts).map(([split, file]) => [split, file.hash]));
  return createHash('sha256')
    .update(
      canonical({
        IDENTITY_VERSION,
        model: model.hash,
        tokenizer: model.tokenizer,
        settings: { ...settings, prompts: contents },
      }),
    )
    .digest('hex')
    .slice(0, 16);
}

/** JSON with keys in alphabetical order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Where a job is done. */
export interface Place {
  /** Local path or hub id of the model. */
  model: string;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
  /** Cores that a native TensorFlow may use. */
  cores: number;
}

/** Runs with the same key are expected to need the same memory. */
export function sizeKey({ model, settings }: RunJob): string {
  const { engine, positions, components, train } = settings;
  return JSON.stringify([model.hash, engine, positions, components, train.batchSize]);
}

/** A job's place in its sweep folder or worker's root, relative to it. */
export const runPath = (id: string): string => join('runs', id);
export const dataPath = ({ hash, name }: DataFile): string => join('data', `${hash.slice(0, 16)}-${name}`);

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
