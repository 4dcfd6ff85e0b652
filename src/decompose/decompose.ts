/** Decomposes a model over all cores into the store; layers that are there already are not computed again. */
import { productsOfHostKernels } from '../engine/native/host-kernels.js';
import { InputError, InterruptedError, throwIfAborted } from '../errors.js';
import type { Component } from '../models/components.js';
import type { Model } from '../models/weights.js';
import { ByPriority } from '../pool/by-priority.js';
import { openThreads } from '../pool/threads.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { LongCall } from '../progress.js';
import { costOf, type DecompositionPlan, type PlanOptions, planDecomposition } from './decomposition-plan.js';
import type { Decomposition } from './directions.js';
import { type ComponentRoom, LayerRoom } from './layer-room.js';
import type { DecompositionStore } from './store.js';
import type { FactorJob, SvdJob } from './thread-jobs.js';

export interface DecomposeOptions extends PlanOptions, LongCall {}

/**
 * Computes what the store lacks and returns the decomposition, whose directions are read when asked for. A layer
 * whose file turns out to be damaged is computed anew then.
 * @throws InterruptedError if the signal fires; finished layers stay in the store
 * @throws InputError if the memory is too little, weights are damaged, or the store cannot be written
 */
export async function decompose(model: Model, options: DecomposeOptions): Promise<Decomposition> {
  const { store, onProgress, signal } = options;
  const plan = await planDecomposition(model, options);
  const compute = async (missing: DecompositionPlan) => {
    await store.open(missing.key);
    await new LayerComputation(model, missing, store, { onProgress, signal }).run();
  };
  if (plan.missing.length > 0) await compute(plan);
  return {
    key: plan.key,
    computed: plan.missing.length,
    async layer(layer, only) {
      const wanted = plan.components.filter(
        (component) => component.layer === layer && (only?.includes(component.name) ?? true),
      );
      if (wanted.length === 0) return new Map();
      const stored = await store.read(plan.key, layer, wanted);
      if (stored) return stored;
      const again = await planDecomposition(model, options);
      await compute({ ...again, missing: [layer] });
      const renewed = await store.read(plan.key, layer, wanted);
      if (renewed) return renewed;
      throw new InputError(
        `${store.path(plan.key, layer)}: was damaged again as soon as it was written; check the disk`,
      );
    },
  };
}

/**
 * Computes the plan's missing layers and writes each as it is finished. All that takes time is done in the threads,
 * reading and bringing weights into form included; this one only says what is next, and writes.
 */
class LayerComputation {
  readonly #model: Model;
  readonly #plan: DecompositionPlan;
  readonly #store: DecompositionStore;
  /** Whatever fails ends all the rest. */
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #stop: AbortSignal;
  readonly #threads: WorkerPool;
  readonly #order: ByPriority;
  readonly #progress: (finished: Component) => void;
  /** Places in the plan's list of layers that nobody has begun. */
  readonly #waiting: number[];
  /** Layers that are not decomposed yet. */
  #undecomposed: number;

  constructor(
    model: Model,
    plan: DecompositionPlan,
    store: DecompositionStore,
    { onProgress, signal }: LongCall,
  ) {
    this.#model = model;
    this.#plan = plan;
    this.#store = store;
    this.#signal = signal;
    this.#stop = AbortSignal.any(signal ? [signal, this.#failed.signal] : [this.#failed.signal]);
    this.#threads = openThreads({ file: 'src/decompose/decompose-thread.js', workers: plan.workers });
    // One job more than there are threads: none waits for the next matrix.
    this.#order = new ByPriority(plan.workers + 1);
    this.#waiting = [...plan.missing.keys()];
    this.#undecomposed = plan.missing.length;
    this.#progress = costProgress(
      plan.missing.flatMap((layer) => this.#componentsOf(layer)),
      onProgress,
    );
  }

  async run(): Promise<void> {
    try {
      const rooms = Array.from({ length: this.#plan.layersInFlight }, () => this.#computeInOneRoom());
      const ended = await Promise.allSettled(rooms);
      if (this.#signal?.aborted) throw new InterruptedError('interrupted; finished layers are kept');
      // Those that were stopped because another one failed say "interrupted": the reason is the other one's.
      const reasons = ended.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
      if (reasons.length > 0)
        throw reasons.find((error) => !(error instanceof InterruptedError)) ?? reasons[0];
    } finally {
      await this.#threads.close();
    }
  }

  /** One layer after the other, as long as there are any, in the same room. */
  async #computeInOneRoom(): Promise<void> {
    const { key, missing } = this.#plan;
    try {
      const room = new LayerRoom(this.#componentsOf(missing[0]!), this.#model.architecture);
      for (let place = this.#waiting.shift(); place !== undefined; place = this.#waiting.shift()) {
        throwIfAborted(this.#stop);
        const layer = missing[place]!;
        const rooms = room.layOut(this.#componentsOf(layer));
        await this.#readFactors(layer, rooms);
        await this.#decompose(place, rooms);
        // Ending threads takes as long as writing a layer: the last one is written meanwhile.
        if (--this.#undecomposed === 0) void this.#threads.close();
        await this.#store.write(
          key,
          layer,
          rooms.map(({ component, svd }) => ({ component, ...svd })),
          { products: productsOfHostKernels() },
        );
      }
    } catch (error) {
      this.#failed.abort();
      throw error;
    }
  }

  async #readFactors(layer: number, rooms: readonly ComponentRoom[]): Promise<void> {
    const { path, form, qkSplit } = this.#model;
    const job: FactorJob = {
      model: { path, form, qkSplit },
      layer,
      components: rooms.map(({ component }) => component),
      out: rooms.map(({ factors }) => factors),
    };
    // Before all else: without it threads would run out of work.
    await this.#order.run(Number.POSITIVE_INFINITY, () => this.#threads.run('factors', job, this.#stop));
  }

  async #decompose(place: number, rooms: readonly ComponentRoom[]): Promise<void> {
    await Promise.all(
      batches(rooms, this.#plan.workers).map(async (batch) => {
        const job: SvdJob = batch.map(({ factors, svd }) => ({ factors, svd }));
        const rank = priority(this.#layersAhead(place), flopsOf(batch));
        await this.#order.run(rank, () => this.#threads.run('svd', job, this.#stop));
        for (const { component } of batch) this.#progress(component);
      }),
    );
  }

  /**
   * Layer by layer, so that one is always written, and the next read, while others are worked on. Of the last ones, as
   * many as it takes to keep all threads busy, the largest matrices go first: no thread is left with one at the end.
   */
  #layersAhead(place: number): number {
    const { missing, layersInFlight } = this.#plan;
    return Math.max(0, missing.length - Math.max(1, layersInFlight - 2) - place);
  }

  #componentsOf(layer: number): Component[] {
    return this.#plan.components.filter((component) => component.layer === layer);
  }
}

/**
 * The largest job first, so that no thread is left with a long one at the end (R. Graham, "Bounds on multiprocessing
 * timing anomalies", 1969), but layers in order. Jobs within a factor of two keep the order in which they came: costs
 * are no better known.
 */
function priority(layersAhead: number, flops: number): number {
  return 1000 * layersAhead + Math.round(Math.log2(flops));
}

/** A head is done in milliseconds, and handing it over takes one: heads go together, in a few parts for each thread. */
function batches(rooms: readonly ComponentRoom[], workers: number): ComponentRoom[][] {
  const enough = flopsOf(rooms) / (4 * workers);
  const found: ComponentRoom[][] = [];
  for (const room of rooms) {
    const last = found.at(-1);
    if (last && flopsOf([...last, room]) <= enough) last.push(room);
    else found.push([room]);
  }
  return found;
}

function flopsOf(rooms: readonly ComponentRoom[]): number {
  return rooms.reduce((sum, { component }) => sum + costOf(component).flops, 0);
}

/** Reports finished components; time is estimated by cost, since an MLP matrix takes as long as a hundred heads. */
function costProgress(
  components: readonly Component[],
  onProgress: LongCall['onProgress'],
): (finished: Component) => void {
  const total = components.length;
  const cost = components.reduce((sum, component) => sum + costOf(component).flops, 0);
  let [done, spent] = [0, 0];
  onProgress?.({ stage: 'decompose', done, total, share: 0 });
  return (component) => {
    done++;
    spent += costOf(component).flops;
    onProgress?.({ stage: 'decompose', done, total, share: spent / cost, note: component.name });
  };
}
