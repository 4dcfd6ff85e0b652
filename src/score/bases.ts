/**
 * What coefficients are read with. Each is read from the narrowest rows that give it exactly (docs/scoring.md,
 * "What is read"), so that the projections stay far cheaper than the forward pass.
 */
import type { Decomposition, Directions } from '../decompose/directions.js';
import { augmentedHead } from '../decompose/factors.js';
import { heed } from '../heed.js';
import { loadKernels, type WasmKernels } from '../kernels/kernels.js';
import { clusterRanges, clusters } from '../kernels/thin-svd.js';
import { type Architecture, kvHeadOf } from '../models/architecture.js';
import type { Component } from '../models/components.js';
import { sharedFloat32, transpose } from '../models/matrix.js';
import type { LayerWeights, Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { ScoredComponent } from './chosen-directions.js';
import { type KeyBasis, READ_FROM, type ReadingBasis } from './reading-basis.js';
import { unitOf } from './statistics-state.js';

/** Directions of one basis at most, so that large matrices can be spread over threads. */
const SLICE = 256;

/** A scored direction's singular value, and whether others are so close that it is only defined with them. */
export interface ScoredDirection {
  component: Pick<Component, 'name' | 'kind' | 'layer' | 'head'>;
  index: number;
  sigma: number;
  clustered: boolean;
}

export interface ScoredBases {
  bases: ReadingBasis[];
  /** In the order of the bases' directions. */
  directions: ScoredDirection[];
}

/** Reads the layers that are needed one after the other. */
export async function readBases(
  model: Model,
  decomposition: Decomposition,
  scored: readonly ScoredComponent[],
  { onProgress, signal }: LongCall = {},
): Promise<ScoredBases> {
  const kernels = await loadKernels();
  const bases: ReadingBasis[] = [];
  const directions: ScoredDirection[] = [];
  const layers = [...new Set(scored.map(({ component }) => component.layer))];
  for (const [done, layer] of layers.entries()) {
    await heed(signal);
    onProgress?.({ stage: 'load', done, total: layers.length });
    const weights = await model.layer(layer);
    const ofLayer = scored.filter(({ component }) => component.layer === layer);
    const decomposed = await decomposition.layer(
      layer,
      ofLayer.map(({ component }) => component.name),
    );
    for (const { component, indices } of ofLayer) {
      const own = decomposed.get(component.name)!;
      const clustered = clusterRanges(clusters(own.s));
      for (let from = 0; from < indices.length; from += SLICE) {
        const slice = indices.slice(from, from + SLICE);
        bases.push(basisOf(own, slice, weights, model.architecture, kernels));
      }
      const { name, kind, head } = component;
      for (const index of indices)
        directions.push({
          component: { name, kind, layer, head },
          index,
          sigma: own.s[index]!,
          clustered: clustered.some(({ first, last }) => index >= first && index <= last),
        });
    }
  }
  onProgress?.({ stage: 'load', done: layers.length, total: layers.length });
  return { bases, directions };
}

function basisOf(
  own: Directions,
  indices: readonly number[],
  weights: LayerWeights,
  architecture: Architecture,
  kernels: WasmKernels,
): ReadingBasis {
  const { component, s } = own;
  const { name, layer, kind, head, rows } = component;
  const { dModel: d, dHead, nHeads } = architecture;
  const n = indices.length;
  const common = {
    name,
    layer,
    source: READ_FROM[kind],
    units: Float64Array.from(indices, (k) => unitOf(s[k]!)),
    keys: null,
  };
  const vectors = () => chosenRows(own.vt, component.cols, indices);
  switch (kind) {
    case 'qk': {
      const u = chosenColumns(own.u, component.rank, indices, null);
      const augmented = rows > d;
      return {
        ...common,
        from: 0,
        width: d,
        matrix: augmented ? u.slice(n) : u,
        bias: augmented ? u.slice(0, n) : null,
        keys: keyBasis(own, u, n, weights, architecture, kernels),
      };
    }
    case 'ov': {
      const output = weights.o.weight.subarray(head! * dHead * d, (head! + 1) * dHead * d);
      const v = vectors();
      const matrix = kernels.gemm(output, v, { rows: dHead, inner: d, cols: n, transposeB: true });
      const share = weights.o.bias?.map((value) => value / nHeads);
      return {
        ...common,
        from: head! * dHead,
        width: dHead,
        matrix,
        bias: share ? kernels.gemm(share, v, { rows: 1, inner: d, cols: n, transposeB: true }) : null,
      };
    }
    case 'mlp_in':
    case 'mlp_up':
    case 'mlp_gate': {
      const scaled = chosenColumns(own.u, component.rank, indices, s);
      const augmented = rows > d;
      return {
        ...common,
        from: 0,
        width: d,
        matrix: augmented ? scaled.slice(n) : scaled,
        bias: augmented ? scaled.slice(0, n) : null,
      };
    }
    case 'mlp_out':
    case 'mlp_down':
      return {
        ...common,
        from: 0,
        width: d,
        matrix: transpose(vectors(), n, d),
        bias: null,
      };
  }
}

/** Key factors: k_j · [b_Q; W_Q]ᵀu_k = σ_k [1, x_j]·v_k, also where keys are rotated before. */
function keyBasis(
  { component }: Directions,
  u: Float32Array,
  n: number,
  weights: LayerWeights,
  architecture: Architecture,
  kernels: WasmKernels,
): KeyBasis {
  const { dHead, attentionScale, queryKeyNorm } = architecture;
  const rotary = architecture.rotary?.[component.layer];
  const query = augmentedHead(weights.q, component.head!, dHead);
  return {
    matrix: kernels.gemm(query, u, { rows: dHead, inner: component.rows, cols: n, transposeA: true }),
    queryFrom: component.head! * dHead,
    keyFrom: kvHeadOf(component.head!, architecture) * dHead,
    dHead,
    scale: attentionScale[component.layer]!,
    rate: queryKeyNorm === undefined ? null : component.head!,
    rotary: rotary
      ? { frequencies: Float64Array.from(rotary.frequencies), dims: rotary.dims, scale: rotary.scale }
      : null,
  };
}

/** Columns of [rows, rank], times their factors if there are any. */
function chosenColumns(
  matrix: Float32Array,
  rank: number,
  indices: readonly number[],
  factors: Float32Array | null,
): Float32Array {
  const n = indices.length;
  const rows = matrix.length / rank;
  const out = sharedFloat32(rows * n);
  for (let row = 0; row < rows; row++)
    for (let c = 0; c < n; c++)
      out[row * n + c] = matrix[row * rank + indices[c]!]! * (factors ? factors[indices[c]!]! : 1);
  return out;
}

function chosenRows(matrix: Float32Array, cols: number, indices: readonly number[]): Float32Array {
  const out = new Float32Array(indices.length * cols);
  indices.forEach((index, row) => {
    out.set(matrix.subarray(index * cols, (index + 1) * cols), row * cols);
  });
  return out;
}
