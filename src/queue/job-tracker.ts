/** How all jobs stand, from the events of each: what the terminal shows and `progress.json` holds. */
import { z } from 'zod';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import type { JobEvent } from './executor.js';

const number = z.number().nonnegative();

const runningJob = z.object({
  id: z.string(),
  /** What tells it from the others, e.g. `task=ioi seed=3` or `shard 2/8`. */
  label: z.string(),
  worker: z.string(),
  stage: z.string(),
  done: number,
  total: number,
  note: z.string(),
  /** Since it was started. */
  seconds: number,
});
export type RunningJob = z.infer<typeof runningJob>;

const jobsProgress = z.object({
  /** Jobs to do, those that were complete before this sitting included. */
  total: number,
  complete: number,
  /** Of these, how many were complete before this sitting. */
  found: number,
  failed: number,
  running: z.array(runningJob),
  /** Of this sitting. */
  seconds: number,
  /** Estimate for what is left; null before the first job is done. */
  seconds_left: number.nullable(),
});
/** The content of `progress.json`. */
export type JobsProgress = z.infer<typeof jobsProgress>;

/** @throws InputError if the file is missing or damaged */
export async function readProgress(path: string): Promise<JobsProgress> {
  const content = await readJson(path);
  const result = jobsProgress.safeParse(content);
  if (!result.success) throw inputErrorOf(result.error, path, content);
  return result.data;
}

export class JobTracker {
  readonly #labels: Map<string, string>;
  readonly #running = new Map<string, RunningJob & { started: number }>();
  readonly #started = performance.now();
  #complete: number;
  #failed = 0;

  /**
   * @param found number of jobs that are complete already
   * @param labels by id
   */
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

  take(event: JobEvent): void {
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
      const running = this.#running.get(event.id);
      if (running) Object.assign(running, { note: '', ...event.event });
    } else if (event.type === 'complete' || event.type === 'failed') {
      this.#running.delete(event.id);
      if (event.type === 'complete') this.#complete++;
      else this.#failed++;
    }
  }

  state(): JobsProgress {
    const now = performance.now();
    const seconds = (now - this.#started) / 1000;
    const done = this.#complete - this.found + this.#failed;
    const left = this.total - this.#complete - this.#failed;
    return {
      total: this.total,
      complete: this.#complete,
      found: this.found,
      failed: this.#failed,
      running: [...this.#running.values()].map(({ started, ...running }) => ({
        ...running,
        seconds: (now - started) / 1000,
      })),
      seconds,
      seconds_left: done > 0 ? (seconds / done) * left : null,
    };
  }
}
