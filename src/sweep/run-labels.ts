/** What tells the runs of a sweep from each other. */
import { kebabCase } from '../case.js';
import { COMMANDS } from '../settings/commands.js';
import { writeValue } from '../settings/text.js';
import type { RunJob } from './run-job.js';

/** By id, the settings in which the runs differ: `task=ioi seed=3`. */
export function labelsOf(jobs: readonly RunJob[]): Map<string, string> {
  const flat = jobs.map((job) => ({ id: job.id, values: flatSettings(job) }));
  const keys = Object.keys(flat[0]?.values ?? {});
  const varying = keys.filter((key) => new Set(flat.map(({ values }) => values[key])).size > 1);
  return new Map(
    flat.map(({ id, values }) => {
      const shown = varying.filter((key) => values[key] !== '');
      return [id, shown.map((key) => `${kebabCase(key)}=${values[key]}`).join(' ') || id];
    }),
  );
}

/** As text; empty where a setting does not apply. */
function flatSettings({ model, settings }: RunJob): Record<string, string> {
  const files = {
    data: settings.data?.name,
    validation: settings.validation?.name,
    test: settings.test?.name,
  };
  const values = Object.entries({ model: model.name, ...settings, ...files }).map(([key, value]) => {
    const setting = COMMANDS.run[key as keyof typeof COMMANDS.run];
    const absent = value === undefined || (value === null && !('none' in setting));
    return [key, absent ? '' : writeValue(setting, value).join(',')];
  });
  return Object.fromEntries(values);
}
