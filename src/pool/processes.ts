/** Worker processes with typed jobs, for what a process can have only one of: TensorFlow drives one GPU per process. */
import { builtFile } from '../built-file.js';
import { InputError, InterruptedError, throwIfAborted } from '../errors.js';
import { ByPriority } from './by-priority.js';
import { Child } from './child.js';
import { type Answer, resultOf, type WorkerPool } from './worker-pool.js';

export interface Place {
  /** What errors call it, e.g. `CUDA device 1`. */
  name: string;
  /** Added to the environment of its process. */
  env: NodeJS.ProcessEnv;
}

export interface ProcessesOptions {
  /** The workers' entry below dist/, e.g. `src/run/mask-worker.js`; each of its jobs is wrapped in `answering`. */
  file: string;
  /** One process each. */
  places: readonly Place[];
}

/** What a process is sent. */
export interface Call {
  name: string;
  job: unknown;
}

/** What it sends back; `thrown` is a fault. */
export type Reply = Answer<unknown> | { thrown: unknown };

/**
 * Opens processes; close them when done, since they keep this one alive. A job goes to the first process that is free,
 * so that as many jobs as processes, given at once, always go to the same ones. They end with this process, however
 * it ends. One that died is started anew by the next job that comes to it.
 */
export function openProcesses({ file, places }: ProcessesOptions): WorkerPool {
  const order = new ByPriority(places.length);
  const workers = places.map((place) => new Worker(file, place));
  return {
    workers: places.length,
    sharesMemory: false,
    run: <Result>(name: string, job: unknown, signal?: AbortSignal) =>
      order.run(0, async () => {
        throwIfAborted(signal);
        const free = workers.find(({ busy }) => !busy)!;
        return resultOf((await free.perform({ name, job }, signal)) as Answer<Result>);
      }),
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

/** A place and, from its first job on, its process. */
class Worker {
  #child: Child | undefined;
  /** Settles with the job underway. */
  #underway: Promise<unknown> | undefined;
  #closed = false;

  constructor(
    private readonly file: string,
    private readonly place: Place,
  ) {}

  get busy(): boolean {
    return this.#underway !== undefined;
  }

  async perform(call: Call, signal?: AbortSignal): Promise<Answer<unknown>> {
    if (this.#closed) throw new Error(`${this.place.name}: its process is closed`);
    const job = this.#exchange(call, signal);
    this.#underway = job;
    try {
      return await job;
    } finally {
      this.#underway = undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#underway?.catch(() => {});
    await this.#end();
  }

  async #exchange(call: Call, signal?: AbortSignal): Promise<Answer<unknown>> {
    const child = this.#started();
    const stop = () => void this.#end();
    // A signal of its own for each call: many listeners on one look like a leak to Node, which warns.
    const stopped = signal && AbortSignal.any([signal]);
    stopped?.addEventListener('abort', stop, { once: true });
    try {
      const reply = await Promise.race([replyTo(call, child), child.ended]);
      if (stopped?.aborted) throw new InterruptedError('interrupted');
      if (typeof reply === 'string')
        throw new InputError(
          `${this.place.name}: its process ended with ${reply}; if that was for want of memory, set a lower limit of memory`,
        );
      if ('thrown' in reply) throw fault(this.place.name, reply.thrown);
      return reply;
    } finally {
      stopped?.removeEventListener('abort', stop);
    }
  }

  #started(): Child {
    if (this.#child) return this.#child;
    const child = new Child('src/pool/process-entry.js', {
      args: [builtFile(this.file)],
      env: this.place.env,
      // Typed arrays go as they are.
      serialization: 'advanced',
    });
    this.#child = child;
    void child.ended.then(() => {
      if (this.#child === child) this.#child = undefined;
    });
    return child;
  }

  /** Ends its process, which has nothing to save, whatever it does. */
  async #end(): Promise<void> {
    const child = this.#child;
    child?.process.kill('SIGKILL');
    await child?.ended;
  }
}

function replyTo(call: Call, { process }: Child): Promise<Reply> {
  return new Promise((resolve) => {
    process.once('message', (reply) => resolve(reply as Reply));
    // If it died meanwhile, `ended` says so.
    process.send(call, () => {});
  });
}

/** An error of the process, under the name of its place. */
function fault(place: string, thrown: unknown): Error {
  const { message, stack } = thrown instanceof Error ? thrown : new Error(String(thrown));
  const error = new Error(`${place}: ${message}`);
  error.stack = `${place}: ${stack}`;
  return error;
}
