/** Hands jobs to workers through a queue and gathers what comes back: as an executor, beside the local one. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue, Job as QueuedJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { InputError, throwIfAborted } from '../../errors.js';
import type { ExecuteOptions, Executor } from '../executor.js';
import type { Job, PlannedJob } from '../job.js';
import type { SweepFolder } from '../sweep-folder.js';
import { checkFolder, hashOf, pack, unpack } from './bundle.js';
import {
  dataKey,
  KEPT,
  PREFIX,
  queueName,
  resultKey,
  runProgress,
  runResult,
  shownText,
} from './messages.js';
import { openRedis } from './redis.js';

/** A run whose process died is tried once more, perhaps by another worker. */
const ATTEMPTS = 2;

/** Milliseconds between two looks at the queue; longer where there are many runs. */
const LOOK_INTERVAL = 250;
const LOOKS_A_SECOND = 2000;

/** Seconds without a worker until that is remarked on. */
const LONELY = 15;

export interface RedisOptions {
  url: string;
  folder: SweepFolder;
}

export function redisExecutor({ url, folder }: RedisOptions): Executor<PlannedJob> {
  return async (runs, options) => {
    if (runs.length === 0) return;
    const redis = await openRedis(url, (text) => void options.onEvent({ type: 'note', text }));
    const queues = new Queues(redis);
    try {
      await new Coordinator(redis, queues, folder, options).execute(runs);
    } finally {
      await queues.close();
      redis.disconnect();
    }
  };
}

class Queues {
  readonly #byName = new Map<string, Queue>();

  constructor(private readonly redis: Redis) {}

  of(model: Job['model']): Queue {
    const name = queueName(model);
    let queue = this.#byName.get(name);
    if (!queue) {
      queue = new Queue(name, { connection: this.redis, prefix: PREFIX });
      // Lost connections are remarked on by the connection itself.
      queue.on('error', () => {});
      this.#byName.set(name, queue);
    }
    return queue;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((queue) => queue.close()));
  }
}

class Coordinator {
  readonly #started = new Set<string>();
  readonly #lonelySince = new Map<string, number>();

  constructor(
    private readonly redis: Redis,
    private readonly queues: Queues,
    private readonly folder: SweepFolder,
    private readonly options: ExecuteOptions,
  ) {}

  async execute(runs: readonly PlannedJob[]): Promise<void> {
    const { signal } = this.options;
    await this.uploadData(runs);
    for (const { job } of runs) await this.enqueue(job);
    let pending = [...runs];
    while (pending.length > 0) {
      throwIfAborted(signal);
      const settled = await Promise.all(pending.map(({ job }) => this.look(job)));
      pending = pending.filter((_, at) => !settled[at]);
      if (pending.length === 0) return;
      await this.remarkOnWorkers(pending);
      const interval = Math.max(LOOK_INTERVAL, (1000 * pending.length) / LOOKS_A_SECOND);
      await delay(interval, undefined, { signal }).catch(() => {});
    }
  }

  /** Two coordinators may hand in the same run: the queue keeps one job an id. */
  private async enqueue(job: Job): Promise<void> {
    const queue = this.queues.of(job.model);
    const known = await QueuedJob.fromId(queue, job.id);
    // Failed before, or done so long ago that its result is gone: once more.
    if (
      known &&
      ((await known.isFailed()) || ((await known.isCompleted()) && !(await this.hasResult(known, job))))
    )
      await known.remove();
    await queue.add(job.kind, job, {
      jobId: job.id,
      attempts: ATTEMPTS,
      removeOnComplete: { age: KEPT },
      removeOnFail: { age: KEPT },
      stackTraceLimit: 0,
    });
  }

  private async hasResult({ returnvalue }: QueuedJob, { id }: Job): Promise<boolean> {
    const result = runResult.safeParse(returnvalue);
    if (!result.success) return false;
    if (result.data.delivered === 'shared') return (await this.folder.status(id)) === 'complete';
    return (await this.redis.exists(resultKey(id, result.data.hash))) === 1;
  }

  /** @returns whether the run is settled */
  private async look(job: Job): Promise<boolean> {
    const { onEvent } = this.options;
    const { id } = job;
    const queued = await QueuedJob.fromId(this.queues.of(job.model), id);
    if (!queued) {
      // A Redis that forgot: without persistence, or cleared.
      await onEvent({ type: 'note', text: `${job.kind} ${id} is gone from the queue; handing it in again` });
      await this.enqueue(job);
      return false;
    }
    if (queued.finishedOn === undefined) {
      await this.follow(queued, id);
      return false;
    }
    const result = runResult.safeParse(queued.returnvalue);
    if (result.success) {
      try {
        await this.collect(job, result.data);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        await onEvent({ type: 'failed', id, error: error.message, attempts: queued.attemptsMade });
        return true;
      }
      await onEvent({ type: 'complete', id });
      return true;
    }
    if (!(await queued.isFailed())) return false;
    const error = shownText(queued.failedReason);
    await onEvent({ type: 'failed', id, error, attempts: queued.attemptsMade });
    return true;
  }

  private async follow({ processedOn, progress }: QueuedJob, id: string): Promise<void> {
    const { onEvent } = this.options;
    const known = runProgress.safeParse(progress);
    if (processedOn === undefined || !known.success) return;
    if (!this.#started.has(id)) {
      this.#started.add(id);
      await onEvent({ type: 'started', id, worker: known.data.worker });
    }
    await onEvent({ type: 'progress', id, event: known.data.event });
  }

  /** @throws InputError if what came back is not what was announced */
  private async collect(job: Job, { delivered, hash }: { delivered: string; hash: string }): Promise<void> {
    const { id, kind } = job;
    if (delivered === 'redis') {
      const bytes = await this.redis.getBuffer(resultKey(id, hash));
      if (!bytes)
        throw new InputError(`${kind} ${id}: its result is gone from Redis; give the same command again`);
      await unpack({ bytes, hash }, job, this.folder);
      return;
    }
    const path = this.folder.run(id);
    if ((await this.folder.status(id)) !== 'complete')
      throw new InputError(
        `${kind} ${id}: its worker put it into a shared folder that is not ${this.folder.root}`,
      );
    await checkFolder(path, job);
    if ((await pack(path, job)).hash !== hash)
      throw new InputError(
        `${path}: is not what its worker put there; remove it and give the same command again`,
      );
  }

  private async uploadData(runs: readonly PlannedJob[]): Promise<void> {
    const files = new Map(runs.flatMap(({ files }) => files.map(({ file, path }) => [file.hash, path])));
    for (const [hash, path] of files) {
      const bytes = await readFile(path);
      if (hashOf(bytes) !== hash) throw new InputError(`${path}: changed since it was first read`);
      await this.redis.set(dataKey(hash), bytes, 'EX', KEPT);
    }
  }

  /** A model that no worker holds would be waited for in silence. */
  private async remarkOnWorkers(pending: readonly PlannedJob[]): Promise<void> {
    const models = new Map(pending.map(({ job }) => [queueName(job.model), job.model]));
    for (const [name, model] of models) {
      const since = this.#lonelySince.get(name) ?? Date.now();
      this.#lonelySince.set(name, since);
      if (since < 0 || Date.now() - since < LONELY * 1000) continue;
      if ((await this.queues.of(model).getWorkersCount()) > 0) this.#lonelySince.delete(name);
      else {
        this.#lonelySince.set(name, -1);
        const text = `no worker holds the model ${model.name} (${model.hash.slice(0, 12)}…); start one with it: docs/sweeps.md`;
        await this.options.onEvent({ type: 'note', text });
      }
    }
  }
}
