/**
 * A job as it is handed to a process or sent over a queue: whole settings, and model and data by their content. It names
 * no path: where things lie is for the receiver to say. What a job does depends on its kind, which other rooms define.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { sha256 } from '../formats/file-hash.js';
import type { Manifest } from '../formats/manifest.js';
import type { LongCall } from '../progress.js';
import type { DataFile } from './data-file.js';

const parts = {
  id: z.string().regex(/^[0-9a-f]{16}$/, 'is not the id of a job'),
  model: z.strictObject({
    /** Folder name or hub id, for the reader. */
    name: z.string().max(200),
    hash: sha256,
    /** Hash of the tokenizer's files; null where the model has none. */
    tokenizer: sha256.nullable(),
  }),
};

/** What a job is done with, by content. */
export type JobModel = z.infer<typeof parts.model>;

/** Whatever its kind, a job yields a folder with a manifest. */
export interface Job<Settings = unknown> {
  id: string;
  /** Name of its {@link JobKind}. */
  kind: string;
  model: JobModel;
  settings: Settings;
}

/** All that the job system needs to know of one kind of job. */
export interface JobKind<Settings = unknown> {
  /** Also the `command` in the manifest of what a job yields. */
  readonly name: string;
  /** The check of settings that came from elsewhere. */
  readonly settings: z.ZodType<Settings>;
  /** What of the settings determines the result. */
  identity(settings: Settings): object;
  /** The files that the job reads. */
  files(settings: Settings): DataFile[];
  /** Jobs of one model for which this is equal are expected to need the same memory. */
  memoryKey(settings: Settings): readonly unknown[];
  /** Threads that the job starts by itself, whatever cores it is given. */
  threads(settings: Settings): number;
  /** Names of the files in its folder that are worth sending, and of those, which a complete folder must have. */
  results(settings: Settings): { sent: readonly string[]; needed: readonly string[] };
  /** Whether a folder's manifest belongs to these settings; model, kind and status are compared by the caller. */
  matches(manifest: Manifest, settings: Settings): boolean;
  /** Jobs of one model for which this is equal share what {@link prepare} computes. */
  preparationKey(settings: Settings): readonly unknown[];
  /**
   * Computes, with all cores, what several jobs share, before the first of them starts: otherwise each would do it.
   * @param root folder that the job's files lie in
   */
  prepare(settings: Settings, place: JobPlace, root: string, call?: LongCall): Promise<void>;
}

/** Where a job is done. */
export interface JobPlace {
  /** Local path or hub id of the model. */
  model: string;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
  /** Cores that the job may use. */
  cores: number;
}

/** A job, and where on this machine the things lie that it names by content. */
export interface PlannedJob<Settings = unknown> {
  job: Job<Settings>;
  /** Local path or hub id. */
  model: string;
  /** Bytes of the model's weights as float32, for guesses at memory. */
  weightBytes: number;
  files: { file: DataFile; path: string }[];
}

/** The check of jobs of one kind that came from elsewhere. */
export function jobSchema<Settings>({ name, settings }: JobKind<Settings>) {
  return z.strictObject({ kind: z.literal(name), ...parts, settings });
}

/** Raise it when the same settings would give another result: otherwise finished jobs are taken for new ones. */
const IDENTITY_VERSION = 1;

/** 16 hex digits that name a job: the hash of everything that determines its result. */
export function jobId<Settings>(kind: JobKind<Settings>, model: JobModel, settings: Settings): string {
  const identity = {
    IDENTITY_VERSION,
    model: model.hash,
    tokenizer: model.tokenizer,
    ...kind.identity(settings),
  };
  return createHash('sha256').update(canonical(identity)).digest('hex').slice(0, 16);
}

export function newJob<Settings>(
  kind: JobKind<Settings>,
  model: JobModel,
  settings: Settings,
): Job<Settings> {
  return { id: jobId(kind, model, settings), kind: kind.name, model, settings };
}

/** JSON with keys in alphabetical order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** See {@link JobKind.memoryKey}. */
export function memoryKey<Settings>(kind: JobKind<Settings>, { model, settings }: Job<Settings>): string {
  return JSON.stringify([kind.name, model.hash, ...kind.memoryKey(settings)]);
}

/** See {@link JobKind.preparationKey}. */
export function preparationKey<Settings>(
  kind: JobKind<Settings>,
  { model, settings }: Job<Settings>,
): string {
  return JSON.stringify([kind.name, model.hash, ...kind.preparationKey(settings)]);
}

/** The place of a job's folder, relative to the folder of all jobs. */
export const jobPath = (id: string): string => join('runs', id);
