/** Decomposes a model over all cores into the store; layers that are there already are not computed again. */
import { InputError, InterruptedError, throwIfAborted } from '../errors.js';
import { clusters } from '../kernels/thin-svd.js';
import type { Component } from '../models/components.js';
import type { Model } from '../models/weights.js';
import { ByPriority } from '../pool/by-priority.js';
import { openThreads } from '../pool/threads.js';
import type { LongCall } from '../progress.js';
import type { Decomposition } from './directions.js';
import type { FactorJob, SvdJob } from './jobs.js';
import { type ComponentRoom, LayerRoom } from './layer-room.js';
import { costOf, type DecompositionPlan, type PlanOptions, planDecomposition } from './plan.js';
import type { DecompositionStore } from './store.js';

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
  if (plan.missing.length > 0) await computeLayers(model, plan, store, { onProgress, signal });
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
      await computeLayers(model, { ...again, missing: [layer] }, store, { onProgress, signal });
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
async function computeLayers(
  { path, form, qkSplit, architecture }: Model,
  { key, components, missing, workers, layersInFlight }: DecompositionPlan,
  store: DecompositionStore,
  { onProgress, signal }: LongCall,
): Promise<void> {
  await store.open(key);
  const ofLayer = (layer: number) => components.filter((component) => component.layer === layer);
  const progress = costProgress(missing.flatMap(ofLayer), onProgress);
  // Whatever fails ends all the rest.
  const failed = new AbortController();
  const stop = AbortSignal.any(signal ? [signal, failed.signal] : [failed.signal]);
  const threads = openThreads({ file: 'src/decompose/worker.js', workers });
  // One job more than there are threads: none waits for the next matrix.
  const order = new ByPriority(workers + 1);
  const queue = [...missing.entries()];
  // Layer by layer, so that one is always written, and the next read, while others are worked on. Of the last ones, as
  // many as it takes to keep all threads busy, the largest matrices go first: no thread is left with one at the end.
  const last = missing.length - Math.max(1, layersInFlight - 2);
  const layersAhead = (place: number) => Math.max(0, last - place);
  let undecomposed = missing.length;

  const lane = async () => {
    try {
      const room = new LayerRoom(ofLayer(missing[0]!), architecture);
      for (let next = queue.shift(); next; next = queue.shift()) {
        throwIfAborted(stop);
        const [place, layer] = next;
        const rooms = room.layOut(ofLayer(layer));
        const job: FactorJob = {
          model: { path, form, qkSplit },
          layer,
          components: rooms.map(({ component }) => component),
          out: rooms.map(({ factors }) => factors),
        };
        // Before all else: without it threads would run out of work.
        await order.run(Number.POSITIVE_INFINITY, () => threads.run('factors', job, stop));
        await Promise.all(
          batches(rooms, workers).map(async (batch) => {
            const job: SvdJob = batch.map(({ factors, svd }) => ({ factors, svd }));
            await order.run(priority(layersAhead(place), flopsOf(batch)), () =>
              threads.run('svd', job, stop),
            );
            for (const { component } of batch) progress(component);
          }),
        );
        // Ending threads takes as long as writing a layer: the last one is written meanwhile.
        if (--undecomposed === 0) void threads.close();
        const directions = rooms.map(({ component, svd }) => ({
          component,
          ...svd,
          cluster: clusters(svd.s),
        }));
        await store.write(key, layer, directions);
      }
    } catch (error) {
      failed.abort();
      throw error;
    }
  };
  try {
    const ended = await Promise.allSettled(Array.from({ length: layersInFlight }, lane));
    if (signal?.aborted) throw new InterruptedError('interrupted; finished layers are kept');
    // Lanes that were stopped because another failed say "interrupted": the reason is the other one's.
    const reasons = ended.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    if (reasons.length > 0) throw reasons.find((error) => !(error instanceof InterruptedError)) ?? reasons[0];
  } finally {
    await threads.close();
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
