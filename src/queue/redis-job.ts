/** One job from a queue on a worker: its files are fetched, it is done in a process of its own, its result is sent. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { type Job as QueuedJob, UnrecoverableError } from 'bullmq';
import type { Redis } from 'ioredis';
import { InputError, InterruptedError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import { hashFile } from '../formats/file-hash.js';
import { hashOf, pack, unpack } from './bundle.js';
import { type DataFile, dataPath } from './data-file.js';
import { type Job, type JobKind, type JobPlace, memoryKey, preparationKey } from './job.js';
import { JobProcesses } from './job-processes.js';
import { JobsFolder } from './jobs-folder.js';
import type { KnownModel } from './known-model.js';
import type { Machine } from './machine.js';
import { dataKey, type JobResult, KEPT, LARGEST_VALUE, parseJob, resultKey } from './messages.js';

/** Milliseconds between two reports of a job's progress. */
const REPORT_INTERVAL = 500;

/** A model that the worker has, and where. */
export interface HeldModel extends KnownModel {
  path: string;
}

export interface JobRunnerSettings {
  /** Kinds of job that it does. */
  kinds: readonly JobKind[];
  /** Folder of the jobs on a disk that it shares with the coordinator; null: results go through Redis. */
  shared: string | null;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
  machine: Machine;
}

/** Does jobs, several at once if it is called so. */
export class JobRunner {
  /** Not the machine's: it would be seen by everyone on the queue. */
  readonly name = `worker-${randomUUID().slice(0, 8)}`;
  underway = 0;
  done = 0;
  /** By preparation key: later jobs wait for what the first one's preparation computes. */
  readonly #prepared = new Map<string, Promise<void>>();
  readonly #processes: JobProcesses;

  constructor(
    private readonly settings: JobRunnerSettings,
    private readonly folder: JobsFolder,
    private readonly redis: Redis,
    private readonly onNote: (line: string) => void,
  ) {
    this.#processes = new JobProcesses(folder.root);
  }

  /** Once nothing is underway. */
  end(): Promise<void> {
    return this.#processes.end();
  }

  /** The queue's processor: what it throws is the job's failure, what it returns is told to the coordinator. */
  async perform(
    queued: QueuedJob,
    model: HeldModel,
    cores: number,
    cancelled?: AbortSignal,
  ): Promise<JobResult> {
    this.underway++;
    try {
      const { job, kind } = checkedJob(queued, model, this.settings.kinds);
      this.onNote(`${job.kind} ${job.id} begins`);
      for (const file of kind.files(job.settings)) await this.#fetch(file);
      await this.#compute(queued, job, kind, model, cores, cancelled);
      const result = await this.#deliver(job, kind);
      this.done++;
      this.onNote(`${job.kind} ${job.id} is done`);
      return result;
    } catch (error) {
      this.onNote(`${queued.id}: ${(error as Error).message}`);
      // What is wrong with the input stays wrong.
      throw error instanceof InputError ? new UnrecoverableError(error.message) : error;
    } finally {
      this.underway--;
    }
  }

  async #compute(
    queued: QueuedJob,
    job: Job,
    kind: JobKind,
    { path }: HeldModel,
    cores: number,
    signal?: AbortSignal,
  ): Promise<void> {
    let last = 0;
    const report = (stage: string, done: number, total: number, note?: string) => {
      if (performance.now() - last < REPORT_INTERVAL) return;
      last = performance.now();
      // People look at progress and nothing depends on it: the job goes on while Redis is away.
      queued.updateProgress({ worker: this.name, event: { stage, done, total, note } }).catch(() => {});
    };
    report('start', 0, 0);
    // Done before, but its result never arrived: it is only sent again.
    if ((await this.folder.status(job.id)) === 'complete') return;
    const { store, machine } = this.settings;
    await this.#prepare(job, kind, { store, model: path, cores: machine.cores });
    const outcome = await this.#processes
      .perform(
        { job, place: { store, cores, model: this.folder.seenFrom(path) } },
        {
          memoryKey: memoryKey(kind, job),
          signal,
          onProgress: ({ stage, done, total, note }) => report(stage, done, total, note),
        },
      )
      .catch((error: Error) => {
        // Not InterruptedError: to the queue it is a failed attempt like any other.
        throw error instanceof InterruptedError ? new Error('its worker lost the lease') : error;
      });
    if (outcome.ok) return;
    throw outcome.final ? new InputError(outcome.error) : new Error(outcome.error);
  }

  #prepare(job: Job, kind: JobKind, place: JobPlace): Promise<void> {
    const key = preparationKey(kind, job);
    let prepared = this.#prepared.get(key);
    if (!prepared) {
      prepared = kind.prepare(job.settings, place, this.folder.root);
      // The next job tries again.
      prepared.catch(() => this.#prepared.delete(key));
      this.#prepared.set(key, prepared);
    }
    return prepared;
  }

  async #fetch(file: DataFile): Promise<void> {
    const target = this.folder.file(dataPath(file));
    if (existsSync(target) && (await hashFile(target)) === file.hash) return;
    const bytes = await this.redis.getBuffer(dataKey(file.hash));
    if (!bytes || hashOf(bytes) !== file.hash)
      throw new InputError(
        `${file.name}: is gone from Redis, or not the file of that hash; give the same command again`,
      );
    await writeFile(`${target}.${this.name}.tmp`, bytes);
    await rename(`${target}.${this.name}.tmp`, target);
  }

  async #deliver(job: Job, kind: JobKind): Promise<JobResult> {
    const bundle = await pack(this.folder.run(job.id), job, kind);
    const { hash, bytes } = bundle;
    if (this.settings.shared !== null) {
      await unpack(bundle, job, kind, new JobsFolder(this.settings.shared));
      return { worker: this.name, delivered: 'shared', hash };
    }
    if (bytes.length > LARGEST_VALUE)
      throw new InputError(
        `its result takes ${formatByteSize(bytes.length)}, and Redis at most ${formatByteSize(LARGEST_VALUE)} a value; give workers --shared`,
      );
    await this.redis.set(resultKey(job.id, hash), bytes, 'EX', KEPT);
    return { worker: this.name, delivered: 'redis', hash };
  }
}

/** @throws InputError if the job is damaged or belongs to another model than the worker's */
function checkedJob(
  queued: QueuedJob,
  { identity }: HeldModel,
  kinds: readonly JobKind[],
): { job: Job; kind: JobKind } {
  const { job, kind } = parseJob(queued.data, kinds);
  if (job.id !== queued.id) throw new InputError("the job's id is not that of its settings");
  if (job.model.hash !== identity.hash || job.model.tokenizer !== identity.tokenizer)
    throw new InputError(`it is of another model than ${identity.name} here`);
  return { job, kind };
}
