/** Decomposes a model over all cores into the store; layers that are there already are not computed again. */
import { InterruptedError, throwIfAborted } from '../errors.js';
import { type Component, type Kind, kindsOf, listComponents } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { Pool } from '../pool/pool.js';
import type { LongCall } from '../progress.js';
import type { Decomposition, Directions } from './directions.js';
import { factorsOf, ROTARY_OFFSETS } from './factors.js';
import { type DecompositionStore, decompositionKey } from './store.js';

/** Layers in flight: while one layer's last components finish, the next one's keep every core busy. */
const LAYERS_IN_FLIGHT = 2;

export interface DecomposeOptions extends LongCall {
  /** Kinds to decompose; all by default. */
  kinds?: readonly Kind[];
  store: DecompositionStore;
  pool: Pool;
}

/**
 * Computes what the store lacks and returns the decomposition, whose layers are read when asked for. A layer
 * whose file turns out to be damaged is computed anew then.
 * @throws InterruptedError if the signal fires; finished layers stay in the store
 */
export async function decompose(
  model: Model,
  { kinds = kindsOf(model.architecture), store, pool, onProgress, signal }: DecomposeOptions,
): Promise<Decomposition> {
  const { architecture } = model;
  const components = listComponents(architecture, kinds);
  const key = decompositionKey({
    modelHash: await model.hash(),
    form: model.form,
    kinds: kindsOf(architecture).filter((kind) => kinds.includes(kind)),
    rotaryOffsets: architecture.rotary ? ROTARY_OFFSETS : 0,
  });
  const ofLayer = (layer: number) => components.filter((component) => component.layer === layer);

  const missing = Array.from({ length: architecture.nLayers }, (_, layer) => layer).filter(
    (layer) => !store.has(key, layer),
  );
  const total = missing.reduce((sum, layer) => sum + ofLayer(layer).length, 0);
  let done = 0;
  const computeLayer = async (layer: number): Promise<Directions[]> => {
    const weights = await model.layer(layer);
    const directions = await Promise.all(
      largestFirst(ofLayer(layer)).map(async (component): Promise<Directions> => {
        const { a, b, rows, inner, cols } = factorsOf(component, weights, architecture);
        const svd = b
          ? await pool.svdOfProduct(a, b, rows, inner, cols, signal)
          : await pool.svd(a, rows, cols, signal);
        done++;
        onProgress?.({ stage: 'decompose', done, total, note: component.name });
        return { component, ...svd };
      }),
    );
    await store.write(key, layer, directions);
    return directions;
  };

  if (missing.length > 0) onProgress?.({ stage: 'decompose', done, total });
  const queue = [...missing];
  const lane = async () => {
    for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
      throwIfAborted(signal);
      await computeLayer(layer);
    }
  };
  try {
    await Promise.all(Array.from({ length: LAYERS_IN_FLIGHT }, lane));
  } catch (error) {
    throw signal?.aborted ? new InterruptedError('interrupted; finished layers are kept') : error;
  }

  return {
    key,
    computed: missing.length,
    async layer(layer) {
      const stored = await store.read(key, layer, ofLayer(layer));
      if (stored) return stored;
      const directions = await computeLayer(layer);
      return new Map(directions.map((entry) => [entry.component.name, entry]));
    },
  };
}

/** MLP matrices take seconds, heads milliseconds: the long jobs first, so that no core waits for one at the end. */
function largestFirst(components: Component[]): Component[] {
  return [...components].sort((a, b) => b.rank - a.rank || a.name.localeCompare(b.name));
}
