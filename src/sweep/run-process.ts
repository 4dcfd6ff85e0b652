/**
 * The process in which runs are done, one after the other: TensorFlow keeps one backend a process, its memory can be
 * measured as a whole, and if it dies nothing else does. It takes a task over its channel, reports, and waits for the
 * next; after a failure it ends, so that nothing half-done is left in it.
 */
import { resourceUsage } from 'node:process';
import { InputError, InterruptedError } from '../errors.js';
import type { ProgressEvent } from '../progress.js';
import { run } from '../run/commands.js';
import { score } from '../run/scoring.js';
import { type Job, runOptions, runPath } from './job.js';
import type { Place } from './place.js';
import { scoreRequest } from './score-job.js';

export interface ProcessTask {
  job: Job;
  place: Place;
}

export type ProcessReport =
  | { type: 'progress'; event: ProgressEvent; bytes: number }
  | { type: 'done'; peakBytes: number }
  | { type: 'failed'; error: string; cause: 'input' | 'fault' | 'interrupted'; peakBytes: number };

/** Milliseconds between two reports of one stage. */
const REPORT_INTERVAL = 250;

/** Of the task underway. */
let current: AbortController | null = null;

const stop = () => {
  if (current) current.abort();
  else process.exit(0);
};
process.on('SIGTERM', stop);
// Ctrl-C reaches the whole group of processes; the parent decides what it means.
process.on('SIGINT', () => {});
// Without a parent nobody takes the result: save and stop.
process.on('disconnect', stop);

process.on('message', async (task: ProcessTask) => {
  const own = new AbortController();
  current = own;
  const outcome = await perform(task, own.signal).then(
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
    if (outcome.type === 'failed' || own.signal.aborted) process.exit(0);
    // The next task may be there already.
    if (current === own) current = null;
  });
});

async function perform({ job, place }: ProcessTask, signal: AbortSignal): Promise<void> {
  const listener = { onProgress: progress(), signal };
  if (job.kind === 'run') await run(runOptions(job, place), listener);
  else await score(scoreRequest(job.settings, place, ''), { out: runPath(job.id), resume: true }, listener);
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
