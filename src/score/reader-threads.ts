/**
 * Threads that each own some of the directions: their bases and statistics never move, and each takes in layers in
 * the order in which they were sent.
 */
import { openThreads } from '../pool/threads.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { ReadValues } from './direction-reader.js';
import { type LayerRows, SIDES, type Side } from './layer-rows.js';
import type { ReaderAnswer, ReaderJob } from './reader-jobs.js';
import type { ReadingBasis } from './reading-basis.js';
import { type ExampleSizes, NO_EXAMPLES, stateBytes } from './statistics-state.js';

/** States of all directions, in the order of the bases. */
export type States = Record<Side, Uint8Array>;

/** More than are ever under way: a thread has its next job before the main thread finds time to send it. */
const JOBS_AHEAD = 64;

interface ReaderThread {
  /** Of one thread: its jobs are done in order. */
  pool: WorkerPool;
  /** Which bases it owns, ascending. */
  owned: number[];
}

export class ReaderThreads {
  private constructor(
    private readonly threads: ReaderThread[],
    private readonly bases: readonly ReadingBasis[],
    private readonly sizes: Record<Side, ExampleSizes>,
  ) {}

  /** @param workers threads, at most one per basis */
  static async open(
    bases: readonly ReadingBasis[],
    sizes: ExampleSizes,
    workers: number,
  ): Promise<ReaderThreads> {
    const threads = dealtOut(bases, workers).map(
      (owned): ReaderThread => ({
        pool: openThreads({ file: 'src/score/reader-thread.js', workers: 1, jobsAhead: JOBS_AHEAD }),
        owned,
      }),
    );
    const opened = new ReaderThreads(threads, bases, { clean: sizes, corrupted: NO_EXAMPLES });
    try {
      await Promise.all(
        threads.map(({ pool, owned }) =>
          send(pool, { job: 'open', bases: owned.map((at) => bases[at]!), sizes }),
        ),
      );
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  get workers(): number {
    return this.threads.length;
  }

  /**
   * Takes in a layer; its arrays lie on shared memory and may be used again once this is done.
   * @returns with `keep`, values by basis (null for bases of other layers); and the threads' seconds
   */
  async read(rows: LayerRows, keep: boolean): Promise<{ values: (ReadValues | null)[]; seconds: number }> {
    const values: (ReadValues | null)[] = this.bases.map(() => null);
    let seconds = 0;
    await Promise.all(
      this.threads.map(async ({ pool, owned }) => {
        const own = owned.filter((at) => this.bases[at]!.layer === rows.layer);
        if (own.length === 0) return;
        const result = await send(pool, { job: 'read', rows, keep });
        seconds += result.seconds;
        result.values.forEach((found, i) => {
          values[own[i]!] = found;
        });
      }),
    );
    return { values, seconds };
  }

  /** Statistics of all that was sent before. */
  async save(): Promise<States> {
    const states = this.#empty();
    await this.#eachThread(async ({ pool, owned }, side) => {
      const own = this.#room(owned, side);
      await send(pool, { job: 'save', side, states: own });
      this.#exchange(owned, side, states[side], own, 'gather');
    });
    return states;
  }

  /** Goes on from statistics that were saved. */
  async restore(states: States): Promise<void> {
    await this.#eachThread(async ({ pool, owned }, side) => {
      const own = this.#room(owned, side);
      this.#exchange(owned, side, states[side], own, 'scatter');
      await send(pool, { job: 'restore', side, states: own });
    });
  }

  async clear(): Promise<void> {
    await Promise.all(this.threads.map(({ pool }) => send(pool, { job: 'clear' })));
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map(({ pool }) => pool.close()));
  }

  #empty(): States {
    const all = this.bases.map((_, at) => at);
    return {
      clean: new Uint8Array(this.#bytes(all, 'clean')),
      corrupted: new Uint8Array(this.#bytes(all, 'corrupted')),
    };
  }

  async #eachThread(work: (thread: ReaderThread, side: Side) => Promise<void>): Promise<void> {
    await Promise.all(this.threads.flatMap((thread) => SIDES.map((side) => work(thread, side))));
  }

  #room(owned: readonly number[], side: Side): Uint8Array {
    return new Uint8Array(new SharedArrayBuffer(this.#bytes(owned, side)));
  }

  #bytes(owned: readonly number[], side: Side): number {
    return owned.reduce((sum, at) => sum + this.#bytesOf(at, side), 0);
  }

  #bytesOf(at: number, side: Side): number {
    return this.bases[at]!.units.length * stateBytes(this.sizes[side]);
  }

  /** Copies between a thread's states and those of all bases. */
  #exchange(
    owned: readonly number[],
    side: Side,
    all: Uint8Array,
    own: Uint8Array,
    way: 'gather' | 'scatter',
  ): void {
    let [inAll, inOwn] = [0, 0];
    const mine = new Set(owned);
    for (let at = 0; at < this.bases.length; at++) {
      const length = this.#bytesOf(at, side);
      if (mine.has(at)) {
        const [left, right] = [all.subarray(inAll, inAll + length), own.subarray(inOwn, inOwn + length)];
        if (way === 'gather') left.set(right);
        else right.set(left);
        inOwn += length;
      }
      inAll += length;
    }
  }
}

function send(pool: WorkerPool, job: ReaderJob): Promise<ReaderAnswer> {
  return pool.run<ReaderAnswer>('readerJob', job);
}

/** Multiplications of one row with a basis, roughly. */
function costOf({ width, units, keys }: ReadingBasis): number {
  return (width + (keys ? keys.dHead + 32 : 0) + 64) * units.length;
}

/** The costliest first, each to the thread that has least; none stays empty if there are bases enough. */
function dealtOut(bases: readonly ReadingBasis[], workers: number): number[][] {
  const threads = Array.from({ length: Math.min(workers, bases.length) }, () => ({
    cost: 0,
    owned: [] as number[],
  }));
  const order = bases.map((_, at) => at).sort((a, b) => costOf(bases[b]!) - costOf(bases[a]!) || a - b);
  for (const at of order) {
    const thread = threads.reduce((least, other) => (other.cost < least.cost ? other : least));
    thread.cost += costOf(bases[at]!);
    thread.owned.push(at);
  }
  return threads.map(({ owned }) => owned.sort((a, b) => a - b));
}
