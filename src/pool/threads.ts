/** Worker threads with typed jobs: the only importer of piscina. */
import { Piscina } from 'piscina';
import { builtFile } from '../built-file.js';
import { coresHere } from '../cores.js';
import { InputError, InterruptedError, throwIfAborted } from '../errors.js';
import { type Answer, resultOf, type WorkerPool } from './worker-pool.js';

export interface ThreadsOptions {
  /** The workers' entry below dist/, e.g. `src/decompose/decompose-thread.js`; each of its jobs is wrapped in `answering`. */
  file: string;
  /** Threads, as many as the machine runs at once unless given. */
  workers?: number;
  /**
   * Jobs that are handed to a thread before it is free, 1 unless given. A thread that has the next job already goes
   * on while the main thread is busy; with one thread, one function and fewer jobs than this, jobs run in order.
   */
  jobsAhead?: number;
}

/**
 * Opens threads; close them when done, since they keep the process alive.
 * @throws InputError unless workers is a positive integer
 */
export function openThreads({ file, workers = coresHere(), jobsAhead = 1 }: ThreadsOptions): WorkerPool {
  if (!Number.isSafeInteger(workers) || workers < 1)
    throw new InputError(`${workers} workers: give a whole number from 1 up`);
  // Started with the first job: where all is in the store there is none.
  let threads: Piscina<unknown, Answer<unknown>> | undefined;
  let closed: Promise<void> | undefined;
  const start = () => {
    const started = new Piscina<unknown, Answer<unknown>>({
      filename: builtFile(file),
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: jobsAhead,
    });
    // A failing job rejects its call. The events only repeat that, or tell of an answer that came in just as its
    // thread was ended on request; without a listener they would end the process.
    started.on('error', () => {});
    return started;
  };

  return {
    workers,
    sharesMemory: true,
    async run<Result>(name: string, job: unknown, signal?: AbortSignal): Promise<Result> {
      throwIfAborted(signal);
      // Whoever is still at work when another part has failed would start threads that nobody ends.
      if (closed) throw new InterruptedError('interrupted');
      let answer: Answer<unknown>;
      try {
        // A signal of its own for each call: hundreds of listeners on one look like a leak to Node, which warns.
        threads ??= start();
        answer = await threads.run(job, { name, signal: signal && AbortSignal.any([signal]) });
      } catch (error) {
        throw signal?.aborted ? new InterruptedError('interrupted') : error;
      }
      return resultOf(answer as Answer<Result>);
    },
    async close() {
      // Piscina makes up for a thread that was ended on request when it hears of its end, and that may be after this.
      if (threads) threads.options.minThreads = 0;
      closed ??= threads?.close() ?? Promise.resolve();
      await closed;
    },
  };
}
