/** Hands jobs to workers through a queue and gathers what comes back. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue, Job as QueuedJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { InputError, throwIfAborted } from '../errors.js';
import { checkFolder, hashOf, pack, unpack } from './bundle.js';
import { ATTEMPTS, type ExecuteOptions, type Executor } from './executor.js';
import type { Job, JobKind, JobModel, PlannedJob } from './job.js';
import type { JobsFolder } from './jobs-folder.js';
import {
  dataKey,
  jobProgress,
  jobResult,
  KEPT,
  PREFIX,
  queueName,
  resultKey,
  shownText,
} from './messages.js';
import { openRedis } from './redis.js';

/** Milliseconds between two looks at the queue; longer where there are many jobs. */
const LOOK_INTERVAL = 250;
const LOOKS_A_SECOND = 2000;

/** Seconds without a worker until that is remarked on. */
const LONELY = 15;

export interface RedisOptions<Settings> {
  kind: JobKind<Settings>;
  url: string;
  /** Where results are gathered. */
  folder: JobsFolder;
}

export function redisExecutor<Settings>({ kind, url, folder }: RedisOptions<Settings>): Executor<Settings> {
  return async (jobs, options) => {
    if (jobs.length === 0) return;
    const redis = await openRedis(url, (text) => void options.onEvent({ type: 'note', text }));
    const queues = new Queues(redis);
    try {
      await new Coordinator(redis, queues, kind, folder, options).execute(jobs);
    } finally {
      await queues.close();
      redis.disconnect();
    }
  };
}

class Queues {
  readonly #byName = new Map<string, Queue>();

  constructor(private readonly redis: Redis) {}

  of(model: JobModel): Queue {
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
    private readonly kind: JobKind,
    private readonly folder: JobsFolder,
    private readonly options: ExecuteOptions,
  ) {}

  async execute(jobs: readonly PlannedJob[]): Promise<void> {
    const { signal } = this.options;
    await this.uploadData(jobs);
    for (const { job } of jobs) await this.enqueue(job);
    let pending = [...jobs];
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

  /** Two coordinators may hand in the same job: the queue keeps one job an id. */
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
    const result = jobResult.safeParse(returnvalue);
    if (!result.success) return false;
    if (result.data.delivered === 'shared') return (await this.folder.status(id)) === 'complete';
    return (await this.redis.exists(resultKey(id, result.data.hash))) === 1;
  }

  /** @returns whether the job is settled */
  private async look(job: Job): Promise<boolean> {
    const { onEvent } = this.options;
    const { id } = job;
    const queued = await QueuedJob.fromId(this.queues.of(job.model), id);
    if (!queued) {
      // Redis has lost the job: it was restarted without persistence, or cleared.
      await onEvent({ type: 'note', text: `${job.kind} ${id} is gone from the queue; handing it in again` });
      await this.enqueue(job);
      return false;
    }
    if (queued.finishedOn === undefined) {
      await this.follow(queued, id);
      return false;
    }
    const result = jobResult.safeParse(queued.returnvalue);
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
    const known = jobProgress.safeParse(progress);
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
      await unpack({ bytes, hash }, job, this.kind, this.folder);
      return;
    }
    const path = this.folder.run(id);
    if ((await this.folder.status(id)) !== 'complete')
      throw new InputError(
        `${kind} ${id}: its worker put it into a shared folder that is not ${this.folder.root}`,
      );
    await checkFolder(path, job, this.kind);
    if ((await pack(path, job, this.kind)).hash !== hash)
      throw new InputError(
        `${path}: is not what its worker put there; remove it and give the same command again`,
      );
  }

  private async uploadData(jobs: readonly PlannedJob[]): Promise<void> {
    const files = new Map(jobs.flatMap(({ files }) => files.map(({ file, path }) => [file.hash, path])));
    for (const [hash, path] of files) {
      const bytes = await readFile(path);
      if (hashOf(bytes) !== hash) throw new InputError(`${path}: changed since it was first read`);
      await this.redis.set(dataKey(hash), bytes, 'EX', KEPT);
    }
  }

  /** Otherwise a model that no worker holds would be waited for in silence. */
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
