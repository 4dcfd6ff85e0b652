/** `decompose`: fills the store with a model's directions. */
import { join } from 'node:path';
import { decompose as decomposeModel } from '../decompose/decompose.js';
import { clusterRanges, clusters } from '../kernels/thin-svd.js';
import { decomposedKinds, listComponents } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { openAskedBasis } from '../run/basis.js';
import { type DecompositionEstimate, decomposeOptions, estimateDirections } from '../run/decomposition.js';
import { withSubject } from '../run/subject.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

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

/** Fills the store and says what is in it now. */
export function decompose(given: Given<'decompose'>, call: LongCall = {}): Promise<DecompositionSummary> {
  const options = { ...complete('decompose', given), ...call };
  return withSubject(options.model, options, async ({ model }) => {
    const settings = decomposeOptions(model, options);
    const singular = await decomposeModel(model, settings);
    const asked = { ...options, kinds: settings.kinds, store: settings.store };
    const { decomposition } = await openAskedBasis(model, singular, asked, null, call);
    const { nLayers } = model.architecture;
    const kinds = decomposedKinds(model, settings.kinds);
    const components = listComponents(model.architecture, kinds, model.qkSplit, decomposition.ranks);
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
    // Only singular directions come in clusters.
    for (let layer = 0; options.basis === 'svd' && layer < nLayers; layer++) {
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

/** What {@link decompose} would do and take; computes for a moment, to see how fast this machine is. */
export function estimateDecompose(
  given: Given<'decompose'>,
  call: LongCall = {},
): Promise<DecompositionEstimate> {
  const options = { ...complete('decompose', given), ...call };
  return withSubject(options.model, options, ({ model }) => estimateDirections(model, options));
}
