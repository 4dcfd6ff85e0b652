/** Runs of a sweep as jobs. */
import { dataPath } from '../queue/data-file.js';
import { type Job, type JobKind, type JobPlace, jobPath, type PlannedJob } from '../queue/job.js';
import type { RunOptions } from '../run/commands.js';
import { decomposeSubject } from '../run/decomposition.js';
import { withSubject } from '../run/subject.js';
import { type RunSettings, runSettings } from './settings.js';

export type RunJob = Job<RunSettings>;

/** A run of a sweep: the job, and where its parts lie on this machine. */
export type PlannedRun = PlannedJob<RunSettings>;

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
  files: ({ prompts }) =>
    'task' in prompts
      ? []
      : [prompts.data, prompts.validation, prompts.test].filter((file) => file !== undefined),
  memoryKey: ({ engine, positions, components, train }) => [engine, positions, components, train.batchSize],
  threads: ({ workers }) => workers,
  results: () => ({ sent: SENT, needed: NEEDED }),
  matches: ({ seeds, weight_form }, { seed, form }) => seeds.run === seed && weight_form === form,
  preparationKey: ({ form, components, storeDtype }) => [form, components, storeDtype],
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
function byContents(settings: RunSettings): object {
  const { prompts } = settings;
  if ('task' in prompts) return settings;
  const hashes = Object.entries(prompts).map(([split, file]) => [split, file.hash]);
  return { ...settings, prompts: Object.fromEntries(hashes) };
}

/** The run that a job asks for, with paths relative to the root in which it is done. */
export function runOptions({ id, settings }: RunJob, { model, store }: JobPlace): RunOptions {
  const { prompts, train, evaluate, ...masking } = settings;
  return {
    common: { ...masking, model, store, memory: null },
    data: { ...promptsOf(prompts), aligned: masking.positions === 'all', seed: masking.seed },
    train,
    evaluate,
    out: jobPath(id),
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
