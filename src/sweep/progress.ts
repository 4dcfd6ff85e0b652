/** How a whole sweep stands, from the events of its runs: what the terminal shows and `progress.json` holds. */
import type { RunEvent } from './executor.js';
import type { RunJob } from './job.js';

export interface RunningRun {
  id: string;
  /** The settings that tell it from the others, e.g. `task=ioi seed=3`. */
  label: string;
  worker: string;
  stage: string;
  done: number;
  total: number;
  note: string;
  /** Since it was started. */
  seconds: number;
}

export interface SweepProgress {
  /** Runs of the plan (of this shard). */
  total: number;
  complete: number;
  /** Of these, how many were complete before this sitting. */
  found: number;
  failed: number;
  running: RunningRun[];
  /** Of this sitting. */
  seconds: number;
  /** Estimate for what is left; null before the first run is done. */
  seconds_left: number | null;
}

export class SweepTracker {
  readonly #labels: Map<string, string>;
  readonly #running = new Map<string, RunningRun & { started: number }>();
  readonly #started = performance.now();
  #complete: number;
  #failed = 0;

  /** @param found number of runs that are complete already */
  constructor(
    private readonly total: number,
    private readonly found: number,
    labels: Map<string, string>,
  ) {
    this.#complete = found;
    this.#labels = labels;
  }

  label(id: string): string {
    return this.#labels.get(id) ?? id;
  }

  take(event: RunEvent): void {
    if (event.type === 'started')
      this.#running.set(event.id, {
        id: event.id,
        label: this.label(event.id),
        worker: event.worker,
        stage: 'start',
        done: 0,
        total: 0,
        note: '',
        seconds: 0,
        started: performance.now(),
      });
    else if (event.type === 'progress') {
      const run = this.#running.get(event.id);
      if (run) Object.assign(run, { note: '', ...event.event });
    } else if (event.type === 'complete' || event.type === 'failed') {
      this.#running.delete(event.id);
      if (event.type === 'complete') this.#complete++;
      else this.#failed++;
    }
  }

  state(): SweepProgress {
    const now = performance.now();
    const seconds = (now - this.#started) / 1000;
    const done = this.#complete - this.found + this.#failed;
    const left = this.total - this.#complete - this.#failed;
    return {
      total: this.total,
      complete: this.#complete,
      found: this.found,
      failed: this.#failed,
      running: [...this.#running.values()].map(({ started, ...run }) => ({
        ...run,
        seconds: (now - started) / 1000,
      })),
      seconds,
      seconds_left: done > 0 ? (seconds / done) * left : null,
    };
  }
}

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
