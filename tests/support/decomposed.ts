/** Decomposes small models in memory, in this thread. */
import { type Basis, SVD_BASIS } from '../../src/decompose/basis.js';
import { inCoordinates } from '../../src/decompose/coordinate-basis.js';
import type { Decomposition, Directions } from '../../src/decompose/directions.js';
import { factorsOf } from '../../src/decompose/factors.js';
import { loadedLayer } from '../../src/decompose/loaded-basis.js';
import { inPrincipalBasis, inRandomBasis } from '../../src/decompose/turned-basis.js';
import type { TensorSource } from '../../src/formats/safetensors.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { decomposedKinds, kindsOf, listComponents } from '../../src/models/components.js';
import type { LayerWeights, Model } from '../../src/models/weights.js';
import { Random } from '../../src/random.js';
import type { ReferenceModel } from './reference-forward.js';

const kernels = await loadKernels();

export interface Decomposed {
  decomposition: Decomposition;
  /** The same model, ready for the reference forward pass. */
  reference: ReferenceModel;
}

export async function decomposed(model: Model, basis: Basis = SVD_BASIS): Promise<Decomposed> {
  const { architecture, qkSplit } = model;
  const layers: LayerWeights[] = [];
  for (let layer = 0; layer < architecture.nLayers; layer++) layers.push(await model.layer(layer));
  const kinds = decomposedKinds(model, kindsOf(architecture));
  const singular = new Map<string, Directions>();
  for (const component of listComponents(architecture, kinds, qkSplit)) {
    const { a, b, rows, inner, cols } = factorsOf(component, layers[component.layer]!, architecture, qkSplit);
    const svd = b ? kernels.svdOfProduct(a, b, rows, inner, cols) : kernels.svd(a, rows, cols);
    singular.set(component.name, { component, ...svd });
  }
  const directions = await inBasis(model, layers, singular, basis);
  const ranks = Object.fromEntries([...directions].map(([name, { component }]) => [name, component.rank]));
  return {
    decomposition: {
      key: 'in memory',
      computed: architecture.nLayers,
      ranks,
      layer: async (layer) =>
        new Map([...directions].filter(([, { component }]) => component.layer === layer)),
    },
    reference: { architecture, layers, ends: await model.ends(), directions },
  };
}

async function inBasis(
  model: Model,
  layers: readonly LayerWeights[],
  singular: ReadonlyMap<string, Directions>,
  { basis, basisSeed }: Basis,
): Promise<Map<string, Directions>> {
  const { architecture, qkSplit } = model;
  const random = new Random(basisSeed);
  if (basis === 'loaded') {
    const source = someDirections(singular, random);
    const loaded: Directions[] = [];
    for (const layer of layers.keys()) {
      const own = new Map([...singular].filter(([, { component }]) => component.layer === layer));
      loaded.push(...(await loadedLayer(source, model, layer, own, kernels)));
    }
    return new Map(loaded.map((one) => [one.component.name, one]));
  }
  return new Map(
    [...singular].map(([name, own]) => {
      const { component } = own;
      const side = component.kind === 'qk' && architecture.rotary ? 'read' : 'written';
      if (basis === 'random') return [name, inRandomBasis(own, random.fork(name), kernels, side)];
      if (basis === 'principal')
        return [name, inPrincipalBasis(own, someCovariance(component.rank, random.fork(name)), kernels)];
      if (basis === 'coordinates')
        return [name, inCoordinates(component, layers[component.layer]!, architecture, qkSplit)];
      return [name, own];
    }),
  );
}

/** Of rank − 1 of vectors: one direction does not vary. */
function someCovariance(rank: number, random: Random): Float64Array {
  const covariance = new Float64Array(rank * rank);
  for (let n = 1; n < rank; n++) {
    const vector = Array.from({ length: rank }, () => random.normal());
    for (let i = 0; i < rank; i++)
      for (let j = 0; j < rank; j++) covariance[i * rank + j]! += vector[i]! * vector[j]!;
  }
  return covariance;
}

/**
 * A file of directions: of about half the components three, which overlap, in the span of what can be read. Rotary heads
 * have them in head space.
 */
function someDirections(singular: ReadonlyMap<string, Directions>, random: Random): TensorSource {
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  for (const [name, { component, u }] of singular) {
    const { rows, cols, rank } = component;
    if (random.uniform() < 0.5) continue;
    const mix = Float32Array.from({ length: rank * 3 }, () => random.normal());
    const data = kernels.gemm(u, mix, { rows, inner: rank, cols: 3 });
    tensors.set(`${name}.u`, { shape: [rows, 3], data });
    const vt = Float32Array.from({ length: 3 * cols }, () => 0.3 * random.normal());
    tensors.set(`${name}.vt`, { shape: [3, cols], data: vt });
  }
  return {
    path: 'in memory',
    files: [],
    metadata: {},
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    info: (name) => ({ ...tensors.get(name)!, dtype: 'F32' }) as never,
    readFloat32: async (name) => tensors.get(name)!.data,
    readBytes: () => {
      throw new Error('not here');
    },
    contentHash: async () => '',
    close: async () => {},
  };
}
