/**
 * The basis in which components are masked: their singular directions or, for comparison, others that add up to the same
 * matrices (docs/maths.md, "Other bases"). What is made from singular directions is stored as they are.
 */
import { InputError, throwIfAborted } from '../errors.js';
import { decomposedKinds, type Kind, listComponents, type Ranks } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { BASES } from '../settings/choices.js';
import type { Decomposition, Directions } from './directions.js';
import { type DecompositionStore, storedDecomposition } from './store.js';

export interface Basis {
  basis: (typeof BASES)[number];
  /** Of the random basis; without meaning for the others. */
  basisSeed: number;
  /** Of the loaded basis, its safetensors file. */
  basisFile: string | null;
}

export const SVD_BASIS: Basis = { basis: 'svd', basisSeed: 0, basisFile: null };

/** A basis that is made from the singular one. */
export interface OtherBasis {
  /** What tells it from all others: `random:3`, `coordinates`, `principal:` or `loaded:` and a hash. */
  name: string;
  /** A layer's directions, from its singular ones. */
  make(layer: number, singular: ReadonlyMap<string, Directions>): Promise<Directions[]>;
}

/**
 * The same decomposition in another basis, from the store or into it.
 * @param kinds as the singular directions were decomposed
 * @throws InputError if the store cannot be written; and what making throws
 */
export async function openBasis(
  store: DecompositionStore,
  model: Model,
  kinds: readonly Kind[],
  singular: Decomposition,
  { name, make }: OtherBasis,
  { onProgress, signal }: LongCall = {},
): Promise<Decomposition> {
  const components = listComponents(model.architecture, decomposedKinds(model, kinds), model.qkSplit);
  if (components.length === 0) return singular;
  const key = store.keyOfBasis(singular.key, name);
  await store.open(key);
  const { nLayers } = model.architecture;
  const ranks: Record<string, number> = {};
  for (let layer = 0; layer < nLayers; layer++) {
    throwIfAborted(signal);
    onProgress?.({ stage: 'basis', done: layer, total: nLayers });
    const own = components.filter((component) => component.layer === layer);
    if (!(await store.readRanks(key, layer, own)))
      await store.write(key, layer, await make(layer, await singular.layer(layer)), { basis: name });
    const stored = await store.readRanks(key, layer, own);
    if (!stored)
      throw new InputError(
        `${store.path(key, layer)}: was damaged as soon as it was written; check the disk`,
      );
    for (const { name: component, rank } of own)
      if (stored[component] !== rank) ranks[component] = stored[component]!;
  }
  onProgress?.({ stage: 'basis', done: nLayers, total: nLayers });
  const others: Ranks | undefined = Object.keys(ranks).length > 0 ? ranks : undefined;
  return { ...storedDecomposition(store, key, model, kinds, others), computed: singular.computed };
}
