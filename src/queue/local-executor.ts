/** Does jobs in processes of this machine, as many at once as its cores and memory allow. */
import { throwIfAborted } from '../errors.js';
import { ATTEMPTS, type ExecuteOptions, type Executor } from './executor.js';
import { type JobKind, type JobPlace, memoryKey, type PlannedJob, preparationKey } from './job.js';
import { JobProcesses } from './job-processes.js';
import type { JobsFolder } from './jobs-folder.js';
import { Footprints, jobsAtOnce, type Machine } from './machine.js';

export interface LocalOptions<Settings> {
  kind: JobKind<Settings>;
  folder: JobsFolder;
  machine: Machine;
  /** Folder of stored decompositions; null: in the cache folder. */
  store: string | null;
}

export function localExecutor<Settings>(options: LocalOptions<Settings>): Executor<Settings> {
  return async (jobs, call) => {
    const execution = new LocalExecution(options, call);
    try {
      await execution.prepare(jobs);
      await execution.all(jobs);
    } finally {
      await execution.end();
    }
  };
}

class LocalExecution<Settings> {
  readonly #footprints = new Footprints();
  readonly #processes: JobProcesses;
  /** By id, the bytes that each is expected to need, and its end. */
  readonly #underway = new Map<string, { bytes: number; ended: Promise<void> }>();

  constructor(
    private readonly options: LocalOptions<Settings>,
    private readonly call: ExecuteOptions,
  ) {
    this.#processes = new JobProcesses(options.folder.root);
  }

  /** Computes, once each, what several jobs share. */
  async prepare(jobs: readonly PlannedJob<Settings>[]): Promise<void> {
    const { kind, folder, machine, store } = this.options;
    const { onEvent, signal } = this.call;
    const prepared = new Set<string>();
    for (const { job, model } of jobs) {
      const key = preparationKey(kind, job);
      if (prepared.has(key)) continue;
      prepared.add(key);
      await kind.prepare(job.settings, { model, store, cores: machine.cores }, folder.root, {
        signal,
        onProgress: (event) => void onEvent({ type: 'progress', id: job.id, event }),
      });
    }
  }

  async all(jobs: readonly PlannedJob<Settings>[]): Promise<void> {
    const { kind, folder, store } = this.options;
    const waiting = [...jobs];
    try {
      for (let next = waiting[0]; next; next = waiting[0]) {
        throwIfAborted(this.call.signal);
        const bytes = this.#footprints.bytes(memoryKey(kind, next.job), next.weightBytes);
        const cores = this.#coresFor(next, bytes, waiting.length);
        if (cores === null) {
          await Promise.race(this.#ends());
          continue;
        }
        waiting.shift();
        const { id } = next.job;
        const place = { model: folder.seenFrom(next.model), store, cores };
        const ended = this.#attempt(next, place, 1).finally(() => this.#underway.delete(id));
        this.#underway.set(id, { bytes, ended });
      }
      await Promise.all(this.#ends());
    } catch (error) {
      // The others hear the same signal; none is left behind.
      await Promise.allSettled(this.#ends());
      throw error;
    }
  }

  end(): Promise<void> {
    return this.#processes.end();
  }

  #ends(): Promise<void>[] {
    return [...this.#underway.values()].map(({ ended }) => ended);
  }

  /** Cores for a job that may begin now; null if others must end before. One job alone may always begin. */
  #coresFor({ job }: PlannedJob<Settings>, bytes: number, waiting: number): number | null {
    const { kind, machine } = this.options;
    const { size } = this.#underway;
    const threads = kind.threads(job.settings);
    const { atOnce, coresEach } = jobsAtOnce(machine, { bytes, threads }, waiting + size);
    const used = [...this.#underway.values()].reduce((sum, entry) => sum + entry.bytes, 0);
    return size > 0 && (size >= atOnce || used + bytes > machine.memory) ? null : coresEach;
  }

  async #attempt(planned: PlannedJob<Settings>, place: JobPlace, number: number): Promise<void> {
    const { onEvent, signal } = this.call;
    const { job } = planned;
    const { id } = job;
    await onEvent({ type: 'started', id, worker: 'this machine' });
    const key = memoryKey(this.options.kind, job);
    const outcome = await this.#processes.perform(
      { job, place },
      { memoryKey: key, signal, onProgress: (event) => void onEvent({ type: 'progress', id, event }) },
    );
    this.#footprints.measured(key, outcome.peakBytes);
    if (outcome.ok) await onEvent({ type: 'complete', id });
    else if (outcome.final || number >= ATTEMPTS)
      await onEvent({ type: 'failed', id, error: outcome.error, attempts: number });
    else {
      await onEvent({ type: 'note', text: `${job.kind} ${id}: ${outcome.error}; trying once more` });
      await this.#attempt(planned, place, number + 1);
    }
  }
}
