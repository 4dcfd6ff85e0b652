/** Decomposes small models in memory, in this thread. */
import { type Basis, inRandomBasis, SVD_BASIS } from '../../src/decompose/basis.js';
import type { Decomposition, Directions } from '../../src/decompose/directions.js';
import { factorsOf } from '../../src/decompose/factors.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { clusters } from '../../src/kernels/thin-svd.js';
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

export async function decomposed(model: Model, { basis, basisSeed }: Basis = SVD_BASIS): Promise<Decomposed> {
  const { architecture, qkSplit } = model;
  const directions = new Map<string, Directions>();
  const layers: LayerWeights[] = [];
  for (let layer = 0; layer < architecture.nLayers; layer++) layers.push(await model.layer(layer));
  const kinds = decomposedKinds(model, kindsOf(architecture));
  for (const component of listComponents(architecture, kinds, qkSplit)) {
    const { a, b, rows, inner, cols } = factorsOf(component, layers[component.layer]!, architecture, qkSplit);
    const svd = b ? kernels.svdOfProduct(a, b, rows, inner, cols) : kernels.svd(a, rows, cols);
    const singular = { component, ...svd, cluster: clusters(svd.s) };
    directions.set(
      component.name,
      basis === 'svd'
        ? singular
        : inRandomBasis(singular, new Random(basisSeed).fork(component.name), kernels),
    );
  }
  return {
    decomposition: {
      key: 'in memory',
      computed: architecture.nLayers,
      layer: async (layer) =>
        new Map([...directions].filter(([, { component }]) => component.layer === layer)),
    },
    reference: { architecture, layers, ends: await model.ends(), directions },
  };
}
