/**
 * The inside of a process that does jobs, one after the other. In a process of its own, TensorFlow's one backend and its
 * memory belong to one job at a time, and if it dies nothing else does. It takes a job over its channel, reports, and
 * waits for the next; after a failure it ends, so that nothing half-done is left in it.
 */
import { resourceUsage } from 'node:process';
import { InputError, InterruptedError } from '../errors.js';
import type { LongCall, ProgressEvent } from '../progress.js';
import type { Job, JobPlace } from './job.js';

export interface ProcessTask {
  job: Job;
  place: JobPlace;
}

export type ProcessReport =
  | { type: 'progress'; event: ProgressEvent; bytes: number }
  | { type: 'done'; peakBytes: number }
  | { type: 'failed'; error: string; cause: 'input' | 'fault' | 'interrupted'; peakBytes: number };

/** Milliseconds between two reports of one stage. */
const REPORT_INTERVAL = 250;

/** What jobs of one kind do, in the folder of all jobs; the result goes to `jobPath`. */
export type DoJob = (job: Job, place: JobPlace, call: LongCall) => Promise<unknown>;

/**
 * Does what this process is sent.
 * @param kinds by name
 */
export function serveJobs(kinds: Record<string, DoJob>): void {
  let underway: AbortController | null = null;
  const stop = () => {
    if (underway) underway.abort();
    else process.exit(0);
  };
  process.on('SIGTERM', stop);
  // Ctrl-C reaches the whole group of processes; the parent decides what it means.
  process.on('SIGINT', () => {});
  // Without a parent nothing takes the result: save and stop.
  process.on('disconnect', stop);

  process.on('message', async ({ job, place }: ProcessTask) => {
    const abort = new AbortController();
    underway = abort;
    const { signal } = abort;
    const outcome = await kinds[job.kind]!(job, place, { onProgress: progress(), signal }).then(
      (): ProcessReport => ({ type: 'done', peakBytes: peakBytes() }),
      (error: Error): ProcessReport => ({
        type: 'failed',
        error: error.message,
        cause:
          error instanceof InputError ? 'input' : error instanceof InterruptedError ? 'interrupted' : 'fault',
        peakBytes: peakBytes(),
      }),
    );
    report(outcome, () => {
      if (outcome.type === 'failed' || signal.aborted) process.exit(0);
      // The next job may be there already.
      if (underway === abort) underway = null;
    });
  });
}

function progress(): (event: ProgressEvent) => void {
  let stage = '';
  let last = 0;
  return (event) => {
    const now = performance.now();
    if (event.stage === stage && event.done < event.total && now - last < REPORT_INTERVAL) return;
    stage = event.stage;
    last = now;
    report({ type: 'progress', event, bytes: process.memoryUsage.rss() });
  };
}

function report(message: ProcessReport, then?: () => void): void {
  if (process.connected) process.send!(message, undefined, {}, () => then?.());
  else then?.();
}

function peakBytes(): number {
  // In kibibytes on every platform, by way of libuv.
  return resourceUsage().maxRSS * 1024;
}
