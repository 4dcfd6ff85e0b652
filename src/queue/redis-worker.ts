/** A worker's life: it takes jobs of the models that it holds from queues, as many at once as the machine allows. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { InputError } from '../errors.js';
import type { LongCall } from '../progress.js';
import { JobsFolder } from './jobs-folder.js';
import { inspectModel } from './known-model.js';
import { Footprints, jobsAtOnce, type Machine } from './machine.js';
import { PREFIX, queueName } from './messages.js';
import { openRedis } from './redis.js';
import { type HeldModel, JobRunner, type JobRunnerSettings } from './redis-job.js';

/** How often a job may be lost with its worker before it is given up: it may be what ends them. */
const MOST_LOSSES = 3;

export interface WorkerSettings extends JobRunnerSettings {
  url: string;
  /** Folders or hub ids of the models whose jobs it takes. */
  models: readonly string[];
  /** Folder of its own, for jobs underway. */
  root: string;
  /** Seconds of silence after which its jobs are given to others. */
  lease: number;
  /** Ends after so many seconds without work; null: never. */
  idleExit: number | null;
}

export interface WorkerListener extends LongCall {
  onNote?: (line: string) => void;
}

/** Works until the signal fires; then finishes the jobs underway and returns how many it has done. */
export async function workFromRedis(
  settings: WorkerSettings,
  listener: WorkerListener = {},
): Promise<{ done: number }> {
  const { url, models, root, lease, machine, idleExit } = settings;
  const { signal, onNote = () => {} } = listener;
  const held = new Map<string, HeldModel>();
  for (const path of models) {
    const model = { path, ...(await inspectModel(path, listener)) };
    held.set(queueName(model.identity), model);
    onNote(`holds ${model.identity.name} (${model.identity.hash.slice(0, 12)}…)`);
  }
  const folder = new JobsFolder(root);
  await folder.create();
  claim(folder);
  const redis = await openRedis(url, onNote);
  const runner = new JobRunner(settings, folder, redis, onNote);
  const queues: { worker: Worker; queue: Queue }[] = [];
  // Several models share the machine evenly, whether or not all have work.
  const part: Machine = {
    ...machine,
    cores: Math.max(1, Math.floor(machine.cores / held.size)),
    memory: machine.memory / held.size,
  };
  try {
    for (const [name, model] of held) {
      const guess = new Footprints().bytes('', model.weightBytes);
      const { atOnce, coresEach } = jobsAtOnce(part, { bytes: guess, threads: 1 }, Number.POSITIVE_INFINITY);
      const worker = new Worker(
        name,
        (queued, _token, cancelled) => runner.perform(queued, model, coresEach, cancelled),
        {
          connection: redis,
          prefix: PREFIX,
          concurrency: atOnce,
          lockDuration: lease * 1000,
          stalledInterval: lease * 1000,
          maxStalledCount: MOST_LOSSES,
        },
      );
      worker.on('error', () => {});
      // Another worker has the job by now, or will have it: two must not go on.
      worker.on('lockRenewalFailed', (ids) => {
        for (const id of ids) {
          onNote(`${id}: lease lost; leaving it to others`);
          worker.cancelJob(id, 'lease lost');
        }
      });
      const queue = new Queue(name, { connection: redis, prefix: PREFIX });
      queue.on('error', () => {});
      queues.push({ worker, queue });
    }
    onNote(`waiting for runs as ${runner.name}`);
    await untilStopped(queues, idleExit, signal);
    if (runner.underway > 0) onNote(`finishing ${runner.underway} runs underway; takes no more`);
    await Promise.all(queues.map(({ worker }) => worker.close()));
    return { done: runner.done };
  } finally {
    await Promise.all(queues.flatMap(({ worker, queue }) => [worker.close(), queue.close()]));
    await runner.end();
    redis.disconnect();
  }
}

async function untilStopped(
  queues: { queue: Queue }[],
  idleExit: number | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  let idleSince = Date.now();
  while (!signal?.aborted) {
    await delay(500, undefined, { signal }).catch(() => {});
    if (idleExit === null || signal?.aborted) continue;
    const counts = await Promise.all(
      queues.map(({ queue }) => queue.getJobCounts('wait', 'active', 'delayed')),
    );
    const open = counts.flatMap((byState) => Object.values(byState)).reduce((sum, jobs) => sum + jobs, 0);
    if (open > 0) idleSince = Date.now();
    else if (Date.now() - idleSince >= idleExit * 1000) return;
  }
}

/** @throws InputError if another worker that is alive on this machine uses the folder: they would spoil each other's jobs */
function claim(folder: JobsFolder): void {
  const path = folder.file('worker.pid');
  let other: number | null = null;
  try {
    other = Number(readFileSync(path, 'utf8'));
    process.kill(other, 0);
  } catch {
    other = null;
  }
  if (other !== null && other !== process.pid)
    throw new InputError(
      `${folder.root}: another worker (process ${other}) uses it; give each a --root of its own`,
    );
  writeFileSync(path, String(process.pid));
}
