/** What a decomposition has to compute, how it is spread over threads, and what it will take; nothing is computed yet. */
import { coresHere } from '../cores.js';
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';
import { type Cost, productSvdCost, svdCost } from '../kernels/svd-cost.js';
import type { Architecture } from '../models/architecture.js';
import {
  type Component,
  decomposedKinds,
  isHead,
  type Kind,
  kindsOf,
  listComponents,
} from '../models/components.js';
import { splitName } from '../models/qk-split.js';
import type { Model } from '../models/weights.js';
import { roomFor } from './layer-room.js';
import type { DecompositionStore } from './store.js';

/** Bytes of the process by itself, and of a thread before its first matrix (measured; docs/kernels.md). */
const PROCESS_BYTES = 80e6;
const THREAD_BYTES = 30e6;

export interface PlanOptions {
  /** Kinds to decompose; all by default. */
  kinds?: readonly Kind[];
  store: DecompositionStore;
  /** Threads; one a core by default. */
  workers?: number;
  /** Bytes of memory that the process may take while it decomposes; as many as it likes by default. */
  memory?: number;
}

export interface DecompositionPlan {
  /** Name in the store. */
  key: string;
  components: Component[];
  /** Layers that the store lacks. */
  missing: number[];
  /** Threads, no more than fit the memory. */
  workers: number;
  /** Layers that are worked on at a time. */
  layersInFlight: number;
  /** Floating-point operations for the missing layers, to about a tenth. */
  flops: number;
  /** Most memory that the process takes meanwhile. */
  memoryBytes: number;
  /** What the missing layers will add to the store. */
  diskBytes: number;
}

/** @throws InputError if the memory is too little for even one thread */
export async function planDecomposition(
  model: Model,
  { kinds = kindsOf(model.architecture), store, workers = coresHere(), memory }: PlanOptions,
): Promise<DecompositionPlan> {
  const { architecture, qkSplit } = model;
  const decomposed = decomposedKinds(model, kinds);
  const components = listComponents(architecture, decomposed, qkSplit);
  const key = store.key({
    modelHash: await model.hash(),
    form: model.form,
    kinds: decomposed,
    qkSplit: decomposed.includes('qk') ? splitName(qkSplit, architecture) : '',
  });
  const missing = Array.from({ length: architecture.nLayers }, (_, layer) => layer).filter(
    (layer) => components.length > 0 && !store.has(key, layer),
  );
  const isMissing = new Set(missing);
  const absent = components.filter(({ layer }) => isMissing.has(layer));
  const one = components.filter(({ layer }) => layer === 0);
  return {
    key,
    components,
    missing,
    ...spread(one, architecture, store, missing.length, workers, memory),
    flops: absent.reduce((sum, component) => sum + costOf(component).flops, 0),
    diskBytes: store.bytes(absent),
  };
}

/** Heads are decomposed from their factors, whose inner dimension is the rank. */
export function costOf(component: Component): Cost {
  const { rows, cols, rank } = component;
  return isHead(component) ? productSvdCost(rows, rank, cols) : svdCost(rows, cols);
}

/**
 * Threads first, then layers at a time: enough that the large matrices alone keep every thread busy, one more whose
 * heads are always there to go on with, and one more that is being read; fewer where the memory asks for it.
 */
function spread(
  layer: readonly Component[],
  architecture: Architecture,
  store: DecompositionStore,
  layers: number,
  wantedWorkers: number,
  memory: number | undefined,
): Pick<DecompositionPlan, 'workers' | 'layersInFlight' | 'memoryBytes'> {
  if (layer.length === 0) return { workers: 1, layersInFlight: 1, memoryBytes: PROCESS_BYTES };
  if (layers === 0) return { workers: wantedWorkers, layersInFlight: 0, memoryBytes: 0 };
  const costs = layer.map(costOf);
  const room = 4 * layer.reduce((sum, component) => sum + roomFor(component, architecture), 0);
  // A thread keeps the memory of its largest matrix, and for a while the layer that it read (docs/kernels.md).
  const thread = THREAD_BYTES + Math.max(...costs.map(({ bytes }) => bytes)) + room;
  // Half of what is written, where it is brought into the smaller number format.
  const held = store.dtype === 'f16' ? 1.5 * room : room;
  const bytes = (workers: number, count: number) => PROCESS_BYTES + workers * thread + count * held;

  const limit = memory ?? Number.POSITIVE_INFINITY;
  if (bytes(1, 1) > limit)
    throw new InputError(
      `--memory ${formatByteSize(limit)}: decomposing this model takes at least ${formatByteSize(bytes(1, 1))}; raise it`,
    );
  const workers = Math.min(wantedWorkers, Math.floor((limit - bytes(0, 1)) / thread));
  const flops = costs.map((cost) => cost.flops);
  const busyThreads = flops.reduce((sum, x) => sum + x, 0) / Math.max(...flops);
  const wanted = Math.min(layers, Math.ceil(workers / busyThreads) + 2);
  const layersInFlight = Math.max(1, Math.min(wanted, Math.floor((limit - bytes(workers, 0)) / held)));
  return { workers, layersInFlight, memoryBytes: bytes(workers, layersInFlight) };
}
