/** The order in which jobs of different size are given to workers. */

interface Waiting {
  /** Binary order of magnitude of the cost. */
  size: number;
  start(): void;
}

/**
 * Runs at most `width` jobs at once; of those that wait, always the largest next, so that no worker is left with a
 * long job at the end (R. Graham, "Bounds on multiprocessing timing anomalies", 1969). Jobs within a factor of two
 * keep the order in which they came: costs are no better known, and what came first should be finished first.
 */
export class LargestFirst {
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(readonly width: number) {}

  /** Settles as `job` does. @param cost in any unit, the same for all */
  async run<T>(cost: number, job: () => Promise<T>): Promise<T> {
    if (this.#running === this.width)
      await new Promise<void>((start) => this.#insert({ size: Math.round(Math.log2(cost)), start }));
    else this.#running++;
    try {
      return await job();
    } finally {
      // The place is handed on, not given back: nobody can slip in between.
      const next = this.#waiting.shift();
      if (next) next.start();
      else this.#running--;
    }
  }

  #insert(job: Waiting): void {
    const place = this.#waiting.findIndex(({ size }) => size < job.size);
    this.#waiting.splice(place === -1 ? this.#waiting.length : place, 0, job);
  }
}
