/**
 * Threads that each own some of the directions: their bases and statistics never move, and each takes in layers in
 * the order in which they were sent.
 */
import { type LayerRows, type ReadingBasis, type ReadValues, SIDES } from '../kernels/reader.js';
import { type ExampleSizes, NO_EXAMPLES, stateBytes } from '../kernels/statistics-state.js';
import { openThreads } from '../pool/threads.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { Job, JobResult } from './jobs.js';

type Side = LayerRows['side'];

/** States of all directions, in the order of the bases. */
export type States = Record<Side, Uint8Array>;

/** More than are ever under way: a thread has its next job before the main thread finds time to send it. */
const JOBS_AHEAD = 64;

interface Lane {
  threads: WorkerPool;
  /** Which bases it owns, ascending. */
  owned: number[];
}

export class Lanes {
  private constructor(
    private readonly lanes: Lane[],
    private readonly bases: readonly ReadingBasis[],
    private readonly sizes: Record<Side, ExampleSizes>,
  ) {}

  static async open(bases: readonly ReadingBasis[], sizes: ExampleSizes, workers: number): Promise<Lanes> {
    const lanes = shareOut(bases, workers).map(
      (owned): Lane => ({
        threads: openThreads({ file: 'src/score/worker.js', workers: 1, jobsAhead: JOBS_AHEAD }),
        owned,
      }),
    );
    const opened = new Lanes(lanes, bases, { clean: sizes, corrupted: NO_EXAMPLES });
    try {
      await Promise.all(
        lanes.map(({ threads, owned }) =>
          send(threads, { job: 'open', bases: owned.map((at) => bases[at]!), sizes }),
        ),
      );
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  get workers(): number {
    return this.lanes.length;
  }

  /**
   * Takes in a layer; its arrays lie on shared memory and may be used again once this is done.
   * @returns with `keep`, values by basis (null for bases of other layers); and the threads' seconds
   */
  async read(rows: LayerRows, keep: boolean): Promise<{ values: (ReadValues | null)[]; seconds: number }> {
    const values: (ReadValues | null)[] = this.bases.map(() => null);
    let seconds = 0;
    await Promise.all(
      this.lanes.map(async ({ threads, owned }) => {
        const own = owned.filter((at) => this.bases[at]!.layer === rows.layer);
        if (own.length === 0) return;
        const result = await send(threads, { job: 'read', rows, keep });
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
    await this.#eachLane(async ({ threads, owned }, side) => {
      const own = this.#room(owned, side);
      await send(threads, { job: 'save', side, states: own });
      this.#exchange(owned, side, states[side], own, 'gather');
    });
    return states;
  }

  /** Goes on from statistics that were saved. */
  async restore(states: States): Promise<void> {
    await this.#eachLane(async ({ threads, owned }, side) => {
      const own = this.#room(owned, side);
      this.#exchange(owned, side, states[side], own, 'scatter');
      await send(threads, { job: 'restore', side, states: own });
    });
  }

  async clear(): Promise<void> {
    await Promise.all(this.lanes.map(({ threads }) => send(threads, { job: 'clear' })));
  }

  async close(): Promise<void> {
    await Promise.all(this.lanes.map(({ threads }) => threads.close()));
  }

  #empty(): States {
    const all = this.bases.map((_, at) => at);
    return {
      clean: new Uint8Array(this.#bytes(all, 'clean')),
      corrupted: new Uint8Array(this.#bytes(all, 'corrupted')),
    };
  }

  async #eachLane(work: (lane: Lane, side: Side) => Promise<void>): Promise<void> {
    await Promise.all(this.lanes.flatMap((lane) => SIDES.map((side) => work(lane, side))));
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

  /** Copies between a lane's states and those of all bases. */
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

function send(threads: WorkerPool, job: Job): Promise<JobResult> {
  return threads.run<JobResult>('work', job);
}

/** Multiplications of one row with a basis, roughly. */
function costOf({ width, units, keys }: ReadingBasis): number {
  return (width + (keys ? keys.dHead + 32 : 0) + 64) * units.length;
}

/** The costliest first, each to the lane that has least; none stays empty if there are bases enough. */
function shareOut(bases: readonly ReadingBasis[], workers: number): number[][] {
  const lanes = Array.from({ length: Math.min(workers, bases.length) }, () => ({
    cost: 0,
    owned: [] as number[],
  }));
  const order = bases.map((_, at) => at).sort((a, b) => costOf(bases[b]!) - costOf(bases[a]!) || a - b);
  for (const at of order) {
    const lane = lanes.reduce((least, other) => (other.cost < least.cost ? other : least));
    lane.cost += costOf(bases[at]!);
    lane.owned.push(at);
  }
  return lanes.map(({ owned }) => owned.sort((a, b) => a - b));
}
