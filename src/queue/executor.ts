/** Who does the jobs: processes of this machine, or workers behind a queue. */
import type { ProgressEvent } from '../progress.js';
import type { PlannedJob } from './job.js';

export type JobEvent =
  | { type: 'started'; id: string; worker: string }
  | { type: 'progress'; id: string; event: ProgressEvent }
  /** Its folder is whole and in its place. */
  | { type: 'complete'; id: string }
  | { type: 'failed'; id: string; error: string; attempts: number }
  | { type: 'note'; text: string };

export interface ExecuteOptions {
  onEvent: (event: JobEvent) => void | Promise<void>;
  signal?: AbortSignal;
}

/** Does all jobs, in order as far as it can, and reports each as complete or failed exactly once. */
export type Executor<Settings> = (
  jobs: readonly PlannedJob<Settings>[],
  options: ExecuteOptions,
) => Promise<void>;

/** How often a job is begun. One whose process died is tried once more; over Redis another worker may take it. */
export const ATTEMPTS = 2;
