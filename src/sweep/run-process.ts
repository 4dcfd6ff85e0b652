/**
 * The process in which one run is done: TensorFlow keeps one backend a process, its memory can be measured as a whole,
 * and if it dies nothing else does. It takes one task over its channel, reports, and ends.
 */
import { resourceUsage } from 'node:process';
import { InputError, InterruptedError } from '../errors.js';
import type { ProgressEvent } from '../progress.js';
import { run } from '../run/commands.js';
import { type Place, type RunJob, runOptions } from './job.js';

export interface ProcessTask {
  job: RunJob;
  place: Place;
}

export type ProcessReport =
  | { type: 'progress'; event: ProgressEvent; bytes: number }
  | { type: 'done'; peakBytes: number }
  | { type: 'failed'; error: string; cause: 'input' | 'fault' | 'interrupted'; peakBytes: number };

/** Milliseconds between two reports of one stage. */
const REPORT_INTERVAL = 250;

const abort = new AbortController();
process.on('SIGTERM', () => abort.abort());
// Ctrl-C reaches the whole group of processes; the parent decides what it means.
process.on('SIGINT', () => {});
// Without a parent nobody takes the result: save and stop.
process.on('disconnect', () => abort.abort());

process.once('message', async (task: ProcessTask) => {
  const outcome = await perform(task).then(
    (): ProcessReport => ({ type: 'done', peakBytes: peakBytes() }),
    (error: Error): ProcessReport => ({
      type: 'failed',
      error: error.message,
      cause:
        error instanceof InputError ? 'input' : error instanceof InterruptedError ? 'interrupted' : 'fault',
      peakBytes: peakBytes(),
    }),
  );
  report(outcome, () => process.exit(0));
});

async function perform({ job, place }: ProcessTask): Promise<void> {
  await run(runOptions(job, place), { onProgress: progress(), signal: abort.signal });
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
