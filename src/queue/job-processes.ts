/**
 * Does jobs in processes of their own and says how each went. A process whose job went well waits for another of the
 * same size: what starting, compiling and warming up cost is then paid once.
 */
import { InterruptedError, throwIfAborted } from '../errors.js';
import { Child } from '../pool/child.js';
import type { ProgressEvent } from '../progress.js';
import type { ProcessReport, ProcessTask } from './serve-jobs.js';

/** What runs in each process: it calls `serveJobs` with what jobs of all kinds do, and so it lies in a room above. */
const ENTRY = 'src/commands/job-process.js';

export interface ProcessOptions {
  /** The job's `memoryKey`: a process is used again for jobs that need the same. */
  memoryKey: string;
  onProgress?: (event: ProgressEvent, bytes: number) => void;
  signal?: AbortSignal;
}

export type ProcessOutcome =
  | { ok: true; peakBytes: number }
  /** `final`: the input is at fault, so that trying again would not help. */
  | { ok: false; error: string; final: boolean; peakBytes: number };

/** Seconds that an interrupted process has to save its state. */
const GRACE = 30;

/** Seconds that a process waits for another job before its memory is given back. */
const IDLE = 60;

export class JobProcesses {
  readonly #idle = new Map<JobProcess, NodeJS.Timeout>();

  /** @param root folder that the jobs' paths are relative to */
  constructor(private readonly root: string) {}

  /** @throws InterruptedError if the signal fires, after the process has saved its state and ended */
  async perform(task: ProcessTask, options: ProcessOptions): Promise<ProcessOutcome> {
    const { signal } = options;
    throwIfAborted(signal);
    const child = await this.#take(task, options);
    const outcome = await child.perform(task, options);
    if (!outcome.ok || signal?.aborted) await child.end();
    else this.#keep(child);
    return outcome;
  }

  /** Ends those that wait; there must be no others. */
  async end(): Promise<void> {
    await Promise.all([...this.#idle.keys()].map((child) => this.#drop(child)));
  }

  /** An idle one of the job's size, or a new one. Idle ones of other sizes are ended: their memory was shared out anew. */
  async #take({ place: { cores } }: ProcessTask, { memoryKey }: ProcessOptions): Promise<JobProcess> {
    // A process keeps the number of threads that its TensorFlow started with, and a peak of memory that may be that of
    // an earlier job: jobs of another size would be given the wrong share, and their memory would be measured wrongly.
    const size = `${cores} ${memoryKey}`;
    const fitting = [...this.#idle.keys()].find((child) => child.size === size);
    if (fitting) {
      this.#forget(fitting);
      return fitting;
    }
    await this.end();
    return new JobProcess(this.root, size, cores);
  }

  #keep(child: JobProcess): void {
    // An idle process alone must not keep this one alive.
    const timer = setTimeout(() => void this.#drop(child), IDLE * 1000).unref();
    this.#idle.set(child, timer);
    void child.ended.then(() => this.#forget(child));
  }

  #forget(child: JobProcess): void {
    clearTimeout(this.#idle.get(child));
    this.#idle.delete(child);
  }

  #drop(child: JobProcess): Promise<void> {
    this.#forget(child);
    return child.end();
  }
}

class JobProcess {
  readonly #child: Child;

  constructor(
    root: string,
    readonly size: string,
    cores: number,
  ) {
    this.#child = new Child(ENTRY, { cwd: root, env: threadLimits(cores) });
  }

  get ended(): Promise<string> {
    return this.#child.ended;
  }

  /** Does a job; after one that failed the process ends by itself. */
  async perform(task: ProcessTask, { onProgress, signal }: ProcessOptions): Promise<ProcessOutcome> {
    const { process } = this.#child;
    let last: ProcessReport | undefined;
    let highest = 0;
    let stopReading = () => {};
    const reported = new Promise<void>((resolve) => {
      const read = (message: ProcessReport) => {
        if (message.type === 'progress') {
          highest = Math.max(highest, message.bytes);
          onProgress?.(message.event, message.bytes);
        } else {
          last = message;
          resolve();
        }
      };
      process.on('message', read);
      stopReading = () => process.off('message', read);
    });
    let grace: NodeJS.Timeout | undefined;
    const stop = () => {
      process.kill('SIGTERM');
      grace = setTimeout(() => process.kill('SIGKILL'), GRACE * 1000);
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      // If it died meanwhile, `ended` says so.
      process.send(task, () => {});
      await Promise.race([reported, this.ended]);
      if (last?.type === 'done') return { ok: true, peakBytes: last.peakBytes };
      const how = await this.ended;
      if (signal?.aborted) throw new InterruptedError('interrupted; the run can be resumed');
      if (last?.type === 'failed')
        return { ok: false, error: last.error, final: last.cause === 'input', peakBytes: last.peakBytes };
      return { ok: false, error: `its process ended with ${how}`, final: false, peakBytes: highest };
    } finally {
      clearTimeout(grace);
      stopReading();
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Ends it, whatever it does. */
  async end(): Promise<void> {
    const { process } = this.#child;
    process.kill('SIGTERM');
    const grace = setTimeout(() => process.kill('SIGKILL'), GRACE * 1000);
    await this.ended;
    clearTimeout(grace);
  }
}

/** What keeps a native TensorFlow within its share of the cores. */
function threadLimits(cores: number): NodeJS.ProcessEnv {
  const limit = String(cores);
  return { TF_NUM_INTRAOP_THREADS: limit, TF_NUM_INTEROP_THREADS: '1', OMP_NUM_THREADS: limit };
}
