/** A worker: takes jobs of the models that it holds from a queue, does them in processes of their own, sends them back. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue, type Job as QueuedJob, UnrecoverableError, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { InputError, InterruptedError } from '../../errors.js';
import { formatByteSize } from '../../formats/byte-size.js';
import type { LongCall } from '../../progress.js';
import { decomposeScored } from '../../run/scoring.js';
import { type DataFile, dataPath, hashFile } from '../data-file.js';
import { decomposeOnce } from '../decompose-once.js';
import { inspectModel, type KnownModel } from '../expand.js';
import { filesOf, type Job } from '../job.js';
import type { Place } from '../place.js';
import { Processes } from '../processes.js';
import { scoreRequest } from '../score-job.js';
import { Footprints, type Machine, share } from '../shares.js';
import { SweepFolder } from '../sweep-folder.js';
import { hashOf, pack, unpack } from './bundle.js';
import {
  dataKey,
  KEPT,
  LARGEST_VALUE,
  PREFIX,
  parseJob,
  queueName,
  type RunResult,
  resultKey,
} from './messages.js';
import { openRedis } from './redis.js';

/** How often a run may be lost with its worker before it is given up: it may be what ends them. */
const MOST_LOSSES = 3;

/** Milliseconds between two reports of a run's progress. */
const REPORT_INTERVAL = 500;

export interface WorkerSettings {
  url: string;
  /** Folders or hub ids of the models whose runs it takes. */
  models: readonly string[];
  /** Folder of its own, for runs underway. */
  root: string;
  /** Folder of the sweep on a disk that it shares with the coordinator; null: results go through Redis. */
  shared: string | null;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
  machine: Machine;
  /** Seconds of silence after which its runs are given to others. */
  lease: number;
  /** Ends after so many seconds without work; null: never. */
  idleExit: number | null;
}

export interface WorkerListener extends LongCall {
  onNote?: (line: string) => void;
}

interface HeldModel extends KnownModel {
  path: string;
}

/** Works until the signal fires; then finishes the runs underway and returns how many it has done. */
export async function work(
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
  const folder = new SweepFolder(root);
  await folder.create();
  claim(folder);
  const redis = await openRedis(url, onNote);
  const hand = new Hand(settings, folder, redis, onNote);
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
      const { atOnce, coresEach } = share(part, { bytes: guess, threads: 1 }, Number.POSITIVE_INFINITY);
      const worker = new Worker(
        name,
        (job, _token, cancelled) => hand.perform(job, model, coresEach, cancelled),
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
      // Another worker has the run by now, or will have it: two must not go on.
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
    onNote(`waiting for runs as ${hand.name}`);
    await untilStopped(queues, idleExit, signal);
    if (hand.underway > 0) onNote(`finishing ${hand.underway} runs underway; takes no more`);
    await Promise.all(queues.map(({ worker }) => worker.close()));
    return { done: hand.done };
  } finally {
    await Promise.all(queues.flatMap(({ worker, queue }) => [worker.close(), queue.close()]));
    await hand.end();
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

/** What does the runs. */
class Hand {
  /** Not the machine's: it would be seen by everyone on the queue. */
  readonly name = `worker-${randomUUID().slice(0, 8)}`;
  underway = 0;
  done = 0;
  /** By model, form and kinds: later runs wait for the first one's decomposition. */
  readonly #decompositions = new Map<string, Promise<void>>();
  readonly #processes: Processes;

  constructor(
    private readonly settings: WorkerSettings,
    private readonly folder: SweepFolder,
    private readonly redis: Redis,
    private readonly onNote: (line: string) => void,
  ) {
    this.#processes = new Processes(folder.root);
  }

  /** Once nothing is underway. */
  end(): Promise<void> {
    return this.#processes.end();
  }

  /** The queue's processor: what it throws is the run's failure, what it returns is told to the coordinator. */
  async perform(
    queued: QueuedJob,
    model: HeldModel,
    cores: number,
    cancelled?: AbortSignal,
  ): Promise<RunResult> {
    this.underway++;
    try {
      const job = checkedJob(queued, model);
      this.onNote(`${job.kind} ${job.id} begins`);
      await this.fetchData(job);
      await this.compute(queued, job, model, cores, cancelled);
      const result = await this.deliver(job);
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

  private async compute(
    queued: QueuedJob,
    job: Job,
    { path }: HeldModel,
    cores: number,
    signal?: AbortSignal,
  ): Promise<void> {
    let last = 0;
    const report = (stage: string, done: number, total: number, note?: string) => {
      if (performance.now() - last < REPORT_INTERVAL) return;
      last = performance.now();
      // Only a view: the run goes on while Redis is away.
      queued.updateProgress({ worker: this.name, event: { stage, done, total, note } }).catch(() => {});
    };
    report('start', 0, 0);
    // Done before, but its result never arrived: it is only sent again.
    if ((await this.folder.status(job.id)) === 'complete') return;
    const { store, machine } = this.settings;
    const place = { store, cores };
    await this.decomposed(job, { ...place, model: path, cores: machine.cores });
    const outcome = await this.#processes
      .perform(
        { job, place: { ...place, model: this.folder.seenFrom(path) } },
        { signal, onProgress: ({ stage, done, total, note }) => report(stage, done, total, note) },
      )
      .catch((error: Error) => {
        // Not InterruptedError: to the queue it is a failed attempt like any other.
        throw error instanceof InterruptedError ? new Error('its worker lost the lease') : error;
      });
    if (outcome.ok) return;
    throw outcome.final ? new InputError(outcome.error) : new Error(outcome.error);
  }

  private decomposed(job: Job, place: Place): Promise<void> {
    const { form } = job.settings;
    const which =
      job.kind === 'run'
        ? [job.settings.components]
        : [job.settings.directions, job.settings.masks, job.settings.qkSplit, job.settings.rotaryOffsets];
    const key = JSON.stringify([job.kind, job.model.hash, form, job.settings.storeDtype, ...which]);
    let work = this.#decompositions.get(key);
    if (!work) {
      work = decompose(job, place, this.folder.root);
      // The next one tries again.
      work.catch(() => this.#decompositions.delete(key));
      this.#decompositions.set(key, work);
    }
    return work;
  }

  private async fetchData(job: Job): Promise<void> {
    for (const file of filesOf(job)) await this.fetchFile(file);
  }

  private async fetchFile(file: DataFile): Promise<void> {
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

  private async deliver(job: Job): Promise<RunResult> {
    const bundle = await pack(this.folder.run(job.id), job);
    const { hash, bytes } = bundle;
    if (this.settings.shared !== null) {
      await unpack(bundle, job, new SweepFolder(this.settings.shared));
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

function decompose(job: Job, place: Place, root: string): Promise<void> {
  if (job.kind === 'score') return decomposeScored(scoreRequest(job.settings, place, root));
  const { model, store, cores: workers } = place;
  return decomposeOnce([{ job, model }], { store, workers });
}

/** @throws InputError if the job is damaged or belongs to another model than the worker's */
function checkedJob(queued: QueuedJob, { identity }: HeldModel): Job {
  let job: Job;
  try {
    job = parseJob(queued.data);
  } catch (error) {
    throw new InputError((error as Error).message);
  }
  if (job.id !== queued.id) throw new InputError("the job's id is not that of its settings");
  if (job.model.hash !== identity.hash || job.model.tokenizer !== identity.tokenizer)
    throw new InputError(`it is of another model than ${identity.name} here`);
  return job;
}

/** @throws InputError if another worker that is alive on this machine uses the folder: they would spoil each other's runs */
function claim(folder: SweepFolder): void {
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
