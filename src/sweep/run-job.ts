/** Runs of a sweep as jobs. */
import { z } from 'zod';
import type { Architecture } from '../models/architecture.js';
import { type DataFile, dataFile, dataPath } from '../queue/data-file.js';
import { type Job, type JobKind, type JobPlace, jobPath, type PlannedJob } from '../queue/job.js';
import { decomposeSubject } from '../run/decomposition.js';
import { withSubject } from '../run/subject.js';
import { COMMANDS, type Settings } from '../settings/commands.js';
import { schemasOf } from '../settings/table.js';

const {
  // Said of the job as a whole, by its content.
  model: _model,
  // Each setting is spelled out.
  preset: _preset,
  // Where the work is done.
  store: _store,
  memory: _memory,
  out: _out,
  resume: _resume,
  ...determining
} = COMMANDS.run;

const file = dataFile.nullable();

/** All that a run's result follows from, besides its model, without a path. */
const runSettings = z.strictObject({ ...schemasOf(determining), data: file, validation: file, test: file });
export type RunSettings = z.infer<typeof runSettings>;

export type RunJob = Job<RunSettings>;

/** A run of a sweep: the job, and where its parts lie on this machine. */
export interface PlannedRun extends PlannedJob<RunSettings> {
  architecture: Architecture;
}

const NEEDED = ['metrics.json', 'masks.safetensors'];
const SENT = [
  'manifest.json',
  ...NEEDED,
  'prompts.jsonl',
  'clusters.safetensors',
  'checkpoints/soft.safetensors',
  'history.jsonl',
  'report.html',
];

export const runJobs: JobKind<RunSettings> = {
  name: 'run',
  settings: runSettings,
  identity: (settings) => ({ settings: byContents(settings) }),
  files: ({ data, validation, test }) => [data, validation, test].filter((file) => file !== null),
  memoryKey: ({ engine, positions, components, batchSize }) => [engine, positions, components, batchSize],
  threads: ({ workers }) => workers ?? 1,
  results: () => ({ sent: SENT, needed: NEEDED }),
  matches: ({ seeds, weight_form }, { seed, form }) => seeds.run === seed && weight_form === form,
  preparationKey: ({ form, qkSplit, rotaryOffsets, components, storeDtype }) => [
    ...[form, qkSplit, rotaryOffsets, components, storeDtype],
  ],
  prepare: ({ components, storeDtype, ...settings }, { model, store, cores }, _root, call = {}) =>
    withSubject(model, { ...settings, ...call }, async (subject) => {
      await decomposeSubject(subject, {
        components,
        storeDtype,
        store,
        workers: cores,
        memory: null,
        ...call,
      });
    }),
};

/** A file of prompt pairs may be called anything. */
function byContents({ data, validation, test, ...settings }: RunSettings): object {
  return { ...settings, data: data?.hash, validation: validation?.hash, test: test?.hash };
}

/** The run that a job asks for, with paths relative to the root in which it is done. */
export function runSettingsOf(
  { id, settings }: RunJob,
  { model, store }: JobPlace,
): Omit<Settings<'run'>, 'memory' | 'preset'> {
  const path = (file: DataFile | null) => file && dataPath(file);
  const { data, validation, test } = settings;
  const files = { data: path(data), validation: path(validation), test: path(test) };
  return { ...settings, ...files, model, store, out: jobPath(id), resume: true };
}
