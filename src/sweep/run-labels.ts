/** What tells the runs of a sweep from each other. */
import type { RunJob } from './run-job.js';

/** By id, the settings in which the runs differ: `task=ioi seed=3`. */
export function labelsOf(jobs: readonly RunJob[]): Map<string, string> {
  const flat = jobs.map((job) => ({ id: job.id, values: flatSettings(job) }));
  const keys = Object.keys(Object.assign({}, ...flat.map(({ values }) => values)) as object);
  const varying = keys.filter((key) => new Set(flat.map(({ values }) => String(values[key]))).size > 1);
  return new Map(
    flat.map(({ id, values }) => {
      const shown = varying.filter((key) => values[key] !== undefined);
      return [id, shown.map((key) => `${key}=${values[key] ?? 'none'}`).join(' ') || id];
    }),
  );
}

function flatSettings({ model, settings }: RunJob): Record<string, unknown> {
  const { prompts, train, evaluate, ...masking } = settings;
  const own: Record<string, unknown> =
    'task' in prompts
      ? { task: prompts.task, corruption: prompts.corruption, templates: prompts.templates?.join(',') }
      : { data: prompts.data.name };
  return { model: model.name, ...own, ...masking, ...train, ...evaluate };
}
