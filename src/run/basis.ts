/** Which basis the settings ask for, and what it is made of: files, weights, prompts. */
import { type Basis, type OtherBasis, openBasis } from '../decompose/basis.js';
import { coordinateRanks, inCoordinates } from '../decompose/coordinate-basis.js';
import type { Decomposition, Directions } from '../decompose/directions.js';
import { checkNames, loadedLayer } from '../decompose/loaded-basis.js';
import type { DecompositionStore } from '../decompose/store.js';
import { inPrincipalBasis, inRandomBasis } from '../decompose/turned-basis.js';
import type { Engine } from '../engine/engine.js';
import { loadHostKernels } from '../engine/native/host-kernels.js';
import { InputError } from '../errors.js';
import { hashFile } from '../formats/file-hash.js';
import { openSafetensors } from '../formats/safetensors.js';
import { hashPairs, type TokenPair } from '../formats/token-pairs.js';
import { MaskedModel } from '../forward/masked-model.js';
import type { Positions } from '../forward/masking-rules.js';
import { type Kind, listComponents, type Ranks } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import { coefficientCovariances } from './covariances.js';

/** What principal components are estimated with. */
export interface Estimation {
  engine: Engine;
  positions: Positions;
  /** Training pairs; none where there are not any at hand. */
  pairs: readonly TokenPair[] | undefined;
}

export interface BasisRequest extends Basis {
  /** Name of the basis that masks are there for already. */
  basisName?: string | null;
  store: DecompositionStore;
  kinds: readonly Kind[];
}

/** Numbers of directions as far as the settings say them; those of a loaded basis are known when it was opened. */
export function ranksBefore(
  { architecture, qkSplit }: Pick<Model, 'architecture' | 'qkSplit'>,
  { basis }: Pick<Basis, 'basis'>,
): Ranks | undefined {
  return basis === 'coordinates' ? coordinateRanks(architecture, qkSplit) : undefined;
}

/** @throws InputError if the first directions of each component are asked for, and come in no order of importance */
export function checkRank({ basis, rank }: Pick<Basis, 'basis'> & { rank: number | null }): void {
  if (rank === null || (basis !== 'coordinates' && basis !== 'loaded')) return;
  throw new InputError(
    `--rank ${rank}: the first directions of the basis ${basis} are no more than the others; use another basis, or leave it out`,
  );
}

/** The hash is of the prompts and of where they are read. */
function principalName({
  pairs,
  positions,
}: Pick<Estimation, 'positions'> & { pairs: readonly TokenPair[] }): string {
  return `principal:${hashPairs(pairs).slice(0, 16)}:${positions}`;
}

/**
 * The name of a basis that settings ask for, which a masks file holds.
 * @param pairs training pairs, of principal components
 */
export async function basisNameOf(
  { basis, basisSeed, basisFile }: Basis,
  estimation: Pick<Estimation, 'pairs' | 'positions'> | null,
): Promise<string> {
  switch (basis) {
    case 'svd':
    case 'coordinates':
      return basis;
    case 'random':
      return `random:${basisSeed}`;
    case 'loaded':
      return `loaded:${(await hashFile(fileOf(basisFile))).slice(0, 16)}`;
    case 'principal': {
      const pairs = estimation?.pairs;
      return pairs && estimation ? principalName({ pairs, positions: estimation.positions }) : 'principal';
    }
  }
}

function fileOf(path: string | null): string {
  if (path !== null) return path;
  throw new InputError('--basis loaded: name its file with --basis-file');
}

/**
 * The directions that settings ask for, from the store or into it.
 * @throws InputError if the basis has no file, its file does not fit the model, or there are no training pairs that
 *   principal components could be estimated on
 */
export async function openAskedBasis(
  model: Model,
  singular: Decomposition,
  request: BasisRequest,
  estimation: Estimation | null,
  call: LongCall,
): Promise<{ decomposition: Decomposition; name: string }> {
  const { basis, basisSeed, basisFile, basisName, kinds, store } = request;
  const own = await basisNameOf(request, estimation);
  if (basis === 'svd') return { decomposition: singular, name: own };
  const name = basis === 'principal' && basisName?.startsWith('principal:') ? basisName : own;
  const kernels = await loadHostKernels();
  const { architecture, qkSplit } = model;
  const each = (make: (directions: Directions) => Directions): OtherBasis['make'] => {
    return async (_, directions) => [...directions.values()].map(make);
  };
  const open = (make: OtherBasis['make']) => openBasis(store, model, kinds, singular, { name, make }, call);
  switch (basis) {
    case 'random': {
      const make = each((directions) => {
        const { name, kind } = directions.component;
        const side = kind === 'qk' && architecture.rotary ? 'read' : 'written';
        return inRandomBasis(directions, new Random(basisSeed).fork(`basis ${name}`), kernels, side);
      });
      return { decomposition: await open(make), name };
    }
    case 'coordinates': {
      const decomposition = await open(async (layer, directions) => {
        const weights = await model.layer(layer);
        return [...directions.values()].map(({ component }) =>
          inCoordinates(component, weights, architecture, qkSplit),
        );
      });
      return { decomposition, name };
    }
    case 'principal': {
      let covariances: Promise<ReadonlyMap<string, Float64Array>> | undefined;
      const decomposition = await open(async (_, directions) => {
        if (!estimation?.pairs || name !== own)
          throw new InputError(
            '--basis principal: is estimated on training prompts, and these are not there; give a task, or --store with the one of its run',
          );
        covariances ??= estimated(model, singular, kinds, { ...estimation, pairs: estimation.pairs }, call);
        const found = await covariances;
        return [...directions.values()].map((one) =>
          inPrincipalBasis(one, found.get(one.component.name)!, kernels),
        );
      });
      return { decomposition, name };
    }
    case 'loaded': {
      const source = await openSafetensors(fileOf(basisFile));
      try {
        checkNames(source, listComponents(architecture, undefined, qkSplit));
        const decomposition = await open((layer, directions) =>
          loadedLayer(source, model, layer, directions, kernels),
        );
        return { decomposition, name };
      } finally {
        await source.close();
      }
    }
  }
}

async function estimated(
  model: Model,
  singular: Decomposition,
  kinds: readonly Kind[],
  { engine, positions, pairs }: Estimation & { pairs: readonly TokenPair[] },
  call: LongCall,
): Promise<ReadonlyMap<string, Float64Array>> {
  const masked = await MaskedModel.load(engine, model, singular, { kinds, positions });
  try {
    return await coefficientCovariances(masked, pairs, call);
  } finally {
    masked.dispose();
  }
}
