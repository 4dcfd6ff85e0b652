/** Decomposes a model over all cores into the store; layers that are there already are not computed again. */
import { InputError, InterruptedError, throwIfAborted } from '../errors.js';
import { clusters } from '../kernels/thin-svd.js';
import type { Component } from '../models/components.js';
import type { LayerWeights, Model } from '../models/weights.js';
import { LargestFirst } from '../pool/largest-first.js';
import { openPool, type Pool } from '../pool/pool.js';
import type { LongCall } from '../progress.js';
import type { Decomposition, Directions } from './directions.js';
import { factorsOf } from './factors.js';
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

/** Computes the plan's missing layers and writes each as it is finished. */
async function computeLayers(
  model: Model,
  { key, components, missing, workers, layersInFlight }: DecompositionPlan,
  store: DecompositionStore,
  { onProgress, signal }: LongCall,
): Promise<void> {
  const ofLayer = (layer: number) => components.filter((component) => component.layer === layer);
  const progress = costProgress(missing.flatMap(ofLayer), onProgress);
  // Whatever fails ends all the rest.
  const failed = new AbortController();
  const stop = AbortSignal.any(signal ? [signal, failed.signal] : [failed.signal]);
  const pool = openPool({ workers });
  // One job more than there are threads: none waits for the next matrix.
  const order = new LargestFirst(workers + 1);
  const queue = [...missing];

  const lane = async () => {
    try {
      for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
        throwIfAborted(stop);
        const weights = await model.layer(layer);
        const directions = await Promise.all(
          ofLayer(layer).map((component) =>
            order.run(costOf(component).flops, async () => {
              const found = await decomposeComponent(component, weights, model, pool, stop);
              progress(component);
              return found;
            }),
          ),
        );
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
    await pool.close();
  }
}

async function decomposeComponent(
  component: Component,
  weights: LayerWeights,
  { architecture, qkSplit }: Model,
  pool: Pool,
  signal: AbortSignal,
): Promise<Directions> {
  throwIfAborted(signal);
  const { a, b, rows, inner, cols } = factorsOf(component, weights, architecture, qkSplit);
  const svd = b
    ? await pool.svdOfProduct(a, b, rows, inner, cols, signal)
    : await pool.svd(a, rows, cols, signal);
  return { component, ...svd, cluster: clusters(svd.s) };
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
