/** The first step of commands: a subject's directions, from the store or into it. */

import { join } from 'node:path';
import { type DecomposeOptions, decompose } from '../decompose/decompose.js';
import { planDecomposition } from '../decompose/decomposition-plan.js';
import type { Decomposition } from '../decompose/directions.js';
import { expectedSeconds } from '../decompose/expected-seconds.js';
import { DecompositionStore } from '../decompose/store.js';
import { InputError } from '../errors.js';
import { cacheFolder } from '../formats/cache-folder.js';
import { type Kind, kindsOf } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { StoreDtype } from '../settings/choices.js';
import type { Subject } from './subject.js';

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

/** Decomposes the subject into the store, or finds it there. */
export function decomposeSubject({ model }: Subject, options: DecompositionOptions): Promise<Decomposition> {
  return decompose(model, decomposeOptions(model, options));
}

/** What {@link decomposeSubject} would do and take; computes for a moment, to see how fast this machine is. */
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

export function decomposeOptions(
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
