/** The order in which jobs are given to workers. */

interface Waiting {
  priority: number;
  start(): void;
}

/** Runs at most `width` jobs at once; of those that wait, the highest priority next, equals in the order in which they came. */
export class ByPriority {
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(readonly width: number) {}

  /** Settles as `job` does. */
  async run<T>(priority: number, job: () => Promise<T>): Promise<T> {
    if (this.#running === this.width) await new Promise<void>((start) => this.#insert({ priority, start }));
    else this.#running++;
    try {
      return await job();
    } finally {
      // The place is handed on, not given back: otherwise a job that comes now could slip in between.
      const next = this.#waiting.shift();
      if (next) next.start();
      else this.#running--;
    }
  }

  #insert(job: Waiting): void {
    const place = this.#waiting.findIndex(({ priority }) => priority < job.priority);
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, job);
  }
}
