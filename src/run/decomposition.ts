/** `decompose` and the first step of every other command: a subject's directions, from the store or into it. */
import { join } from 'node:path';
import { type DecomposeOptions, decompose } from '../decompose/decompose.js';
import { planDecomposition } from '../decompose/decomposition-plan.js';
import type { Decomposition } from '../decompose/directions.js';
import { expectedSeconds } from '../decompose/expected-seconds.js';
import { DecompositionStore, type StoreDtype } from '../decompose/store.js';
import { InputError } from '../errors.js';
import { cacheFolder } from '../formats/cache-folder.js';
import { clusterRanges, clusters } from '../kernels/thin-svd.js';
import { decomposedKinds, type Kind, kindsOf, listComponents } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { type Subject, type SubjectOptions, withSubject } from './subject.js';

export interface DecompositionOptions extends LongCall {
  /** Kinds of component; null: all that the architecture has. */
  components: readonly Kind[] | null;
  /** Folder of the store; null: in the cache folder. */
  store: string | null;
  /** Number format of the store. */
  storeDtype: StoreDtype;
  /**
   * Threads that decompose and, on the wasm engine, train and evaluate; null: one a core, and one. On native-gpu, GPUs
   * that train and evaluate (null: one), and decomposition takes one thread a core.
   */
  workers: number | null;
  /** Bytes of memory to stay within; null: no limit. */
  memory: number | null;
}

export interface DecompositionSummary {
  key: string;
  /** Folder of the layer files. */
  folder: string;
  layers: number;
  computed_layers: number;
  components: number;
  directions: number;
  /** Clusters of nearly equal σ with more than one direction, and how many directions are in one. */
  clusters: number;
  clustered_directions: number;
}

export interface DecompositionEstimate {
  layers: number;
  missing_layers: number;
  workers: number;
  layers_in_flight: number;
  flops: number;
  seconds: number;
  memory_bytes: number;
  disk_bytes: number;
}

type CommandOptions = DecompositionOptions & SubjectOptions & { model: string };

/** Decomposes the subject into the store, or finds it there. */
export function decomposeSubject({ model }: Subject, options: DecompositionOptions): Promise<Decomposition> {
  return decompose(model, decomposeOptions(model, options));
}

/** Fills the store and says what is in it now. */
export function decomposeOnly(options: CommandOptions): Promise<DecompositionSummary> {
  return withSubject(options.model, options, async ({ model }) => {
    const settings = decomposeOptions(model, options);
    const decomposition = await decompose(model, settings);
    const { nLayers } = model.architecture;
    const kinds = decomposedKinds(model, settings.kinds);
    const components = listComponents(model.architecture, kinds, model.qkSplit);
    const summary: DecompositionSummary = {
      key: decomposition.key,
      folder: join(settings.store.folder, decomposition.key),
      layers: nLayers,
      computed_layers: decomposition.computed,
      components: components.length,
      directions: components.reduce((sum, { rank }) => sum + rank, 0),
      clusters: 0,
      clustered_directions: 0,
    };
    for (let layer = 0; layer < nLayers; layer++) {
      const ofLayer = components.filter((component) => component.layer === layer);
      const stored = await settings.store.readSigma(decomposition.key, layer, ofLayer);
      // A damaged layer is computed anew when it is asked for as a whole.
      const sigma = stored?.values() ?? [...(await decomposition.layer(layer)).values()].map(({ s }) => s);
      for (const s of sigma) {
        const ranges = clusterRanges(clusters(s));
        summary.clusters += ranges.length;
        for (const { first, last } of ranges) summary.clustered_directions += last - first + 1;
      }
    }
    return summary;
  });
}

/** What {@link decomposeOnly} would do and take; computes for a moment, to see how fast this machine is. */
export function estimateDecomposition(options: CommandOptions): Promise<DecompositionEstimate> {
  return withSubject(options.model, options, ({ model }) => estimateDirections(model, options));
}

/** The same for a model that is open. */
export async function estimateDirections(
  model: Model,
  options: DecompositionOptions,
): Promise<DecompositionEstimate> {
  const plan = await planDecomposition(model, decomposeOptions(model, options));
  return {
    layers: model.architecture.nLayers,
    missing_layers: plan.missing.length,
    workers: plan.workers,
    layers_in_flight: plan.layersInFlight,
    flops: plan.flops,
    seconds: await expectedSeconds(plan),
    memory_bytes: plan.memoryBytes,
    disk_bytes: plan.diskBytes,
  };
}

function decomposeOptions(
  model: Model,
  { components, store, storeDtype, workers, memory, onProgress, signal }: DecompositionOptions,
): DecomposeOptions & { kinds: readonly Kind[] } {
  return {
    kinds: checkedKinds(model, components),
    store: new DecompositionStore(storeFolder(store), storeDtype),
    workers: workers ?? undefined,
    memory: memory ?? undefined,
    onProgress,
    signal,
  };
}

/** The store's folder; null: the one in the cache folder. */
export function storeFolder(store: string | null): string {
  return store ?? join(cacheFolder(), 'decompositions');
}

/**
 * The kinds to mask; all for null.
 * @throws InputError if the architecture lacks one of them
 */
export function checkedKinds(
  { architecture }: Pick<Model, 'architecture'>,
  kinds: readonly Kind[] | null,
): readonly Kind[] {
  const known = kindsOf(architecture);
  const unknown = kinds?.find((kind) => !known.includes(kind));
  if (unknown !== undefined)
    throw new InputError(`--components ${unknown}: a ${architecture.family} model has ${known.join(', ')}`);
  return kinds ?? known;
}
