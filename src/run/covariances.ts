/** How a component's coefficients vary together over prompts: what principal components are made of. */

import { loadHostKernels } from '../engine/native/host-kernels.js';
import { throwIfAborted } from '../errors.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { MaskedModel } from '../forward/masked-model.js';
import { batchesByLength } from '../forward/passes.js';
import { coefficientsOf, PlaceReader } from '../forward/places.js';
import type { Component } from '../models/components.js';
import type { LongCall } from '../progress.js';

/** Tokens of a pass. */
const TOKENS = 4096;

interface Sums {
  component: Component;
  n: number;
  /** [rank], and [rank, rank]. */
  first: Float64Array;
  second: Float64Array;
}

/**
 * Covariance over the clean and the corrupted prompts of the pairs, at the tokens that masks act on, of each component's
 * coefficients by singular directions: y_k = [1, x]·u_k of QK, and of all others σ_k y_k, which is what they write.
 * @returns by component, [rank, rank]; components by plane have none
 */
export async function coefficientCovariances(
  model: MaskedModel,
  pairs: readonly TokenPair[],
  { onProgress, signal }: LongCall = {},
): Promise<Map<string, Float64Array>> {
  const { layout, sigma, positions, architecture } = model;
  const kernels = await loadHostKernels();
  const sums = new Map<string, Sums>();
  const components = layout.components.filter(({ kind }) => kind !== 'qk' || model.planes === null);
  for (const component of components) {
    const { rank } = component;
    sums.set(component.name, {
      component,
      n: 0,
      first: new Float64Array(rank),
      second: new Float64Array(rank * rank),
    });
  }
  const prompts = pairs.flatMap(({ clean, corrupted }) => (corrupted ? [clean, corrupted] : [clean]));
  const places = components
    .filter(({ head }) => head === undefined || head === 0)
    .map(({ layer, kind }) => ({ layer, kind, place: coefficientsOf(kind) }));
  let done = 0;
  const lengths = prompts.map((ids) => ids.length);
  for (const batch of batchesByLength(lengths, TOKENS)) {
    throwIfAborted(signal);
    onProgress?.({ stage: 'principal components', done, total: prompts.length });
    const reader = new PlaceReader(places);
    model
      .forward(
        batch.map((index) => prompts[index]!),
        { hooks: reader.hooks },
      )
      .dispose();
    for (const { layer, kind, place } of places) {
      const values = (await reader.value(layer, place).data()) as Float32Array;
      const block = layout.block(layer, kind)!;
      const rows = values.length / block.length / batch.length;
      const last = kind !== 'qk' && (positions === 'last' || layer === architecture.nLayers - 1);
      // Padded on the left: a prompt's own rows are the last ones.
      const chosen = batch.flatMap((index, row) => {
        const count = last ? 1 : Math.min(rows, lengths[index]!);
        return Array.from({ length: count }, (_, i) => (row + 1) * rows - count + i);
      });
      for (const own of sums.values()) {
        const { component, first, second } = own;
        if (component.layer !== layer || component.kind !== kind) continue;
        const { start, length } = layout.of(component);
        const from = start - block.start;
        // OV coefficients have their σ in them already; queries are read without.
        const unit = (k: number) => (kind === 'ov' || kind === 'qk' ? 1 : sigma[start + k]!);
        const x = new Float64Array(chosen.length * length);
        chosen.forEach((row, i) => {
          for (let k = 0; k < length; k++) {
            const value = values[row * block.length + from + k]! * unit(k);
            x[i * length + k] = value;
            first[k]! += value;
          }
        });
        const shape = { rows: length, inner: chosen.length, cols: length, transposeA: true };
        const product = kernels.gemm(x, x, shape);
        for (let i = 0; i < product.length; i++) second[i]! += product[i]!;
        own.n += chosen.length;
      }
    }
    reader.dispose();
    done += batch.length;
  }
  onProgress?.({ stage: 'principal components', done: prompts.length, total: prompts.length });
  return new Map(
    [...sums].map(([name, { n, first, second, component }]) => [
      name,
      second.map(
        (value, at) =>
          value / n - (first[Math.floor(at / component.rank)]! / n) * (first[at % component.rank]! / n),
      ),
    ]),
  );
}
