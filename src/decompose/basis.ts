/**
 * The basis in which components are masked: their singular directions, or, for comparison, a random orthonormal basis
 * of the same span (docs/maths.md, "Random bases").
 */
import { InputError } from '../errors.js';
import type { Kernels } from '../kernels/contract.js';
import { loadKernels } from '../kernels/kernels.js';
import type { Architecture } from '../models/architecture.js';
import { Random } from '../random.js';
import type { BASES } from '../settings/choices.js';
import type { Decomposition, Directions } from './directions.js';

export interface Basis {
  basis: (typeof BASES)[number];
  /** Of the random basis; without meaning for `svd`. */
  basisSeed: number;
}

export const SVD_BASIS: Basis = { basis: 'svd', basisSeed: 0 };

/** `svd` or `random:3`: what a masks file says its masks belong to. */
export function basisName({ basis, basisSeed }: Basis): string {
  return basis === 'svd' ? basis : `${basis}:${basisSeed}`;
}

/**
 * The same decomposition in another basis; computed when a layer is asked for, and not stored.
 * @throws InputError for a random basis of a model with rotary positions, whose heads need orthonormal u_k
 */
export async function inBasis(
  decomposition: Decomposition,
  { basis, basisSeed }: Basis,
  { rotary }: Architecture,
): Promise<Decomposition> {
  if (basis === 'svd') return decomposition;
  if (rotary)
    throw new InputError('--basis random: is not there for models with rotary positions; use --basis svd');
  const kernels = await loadKernels();
  const rotated = (directions: Directions) => {
    const random = new Random(basisSeed).fork(`basis ${directions.component.name}`);
    return inRandomBasis(directions, random, kernels);
  };
  return {
    key: `${decomposition.key}-${basisName({ basis, basisSeed })}`,
    computed: decomposition.computed,
    async layer(layer, only) {
      const directions = await decomposition.layer(layer, only);
      return new Map([...directions].map(([name, entry]) => [name, rotated(entry)]));
    },
  };
}

/**
 * W in the basis v'_k, the rows of Q Vᵀ with Q orthogonal and uniformly distributed: σ'_k u'_k = W v'_k, so that
 * W = Σ_k σ'_k u'_k v'_kᵀ still holds. The v'_k are orthonormal, the u'_k only of length one. Only the span of W is
 * turned: its null directions stay as they are, last. Else outputs of single directions would leave that span, such as
 * the mean that centred weights never write and that the masked forward pass takes for zero.
 * @returns directions by descending σ'
 */
export function inRandomBasis(
  { component, u, s, vt }: Directions,
  random: Random,
  kernels: Kernels,
): Directions {
  const { rows, cols, rank } = component;
  const span = numericalRank(s, rows, cols);
  const rotation = randomRotation(span, random, kernels);
  // W v'_k = U (S Qᵀ)_k, and U keeps lengths: σ'_k is the length of column k of S Qᵀ.
  const sigma = Float64Array.from({ length: span }, (_, k) => {
    let square = 0;
    for (let j = 0; j < span; j++) square += (s[j]! * rotation[k * span + j]!) ** 2;
    return Math.sqrt(square);
  });
  const order = Array.from(sigma.keys()).sort((a, b) => sigma[b]! - sigma[a]! || a - b);
  const q = new Float32Array(rank * rank);
  const mix = new Float32Array(rank * rank);
  order.forEach((from, k) => {
    for (let j = 0; j < span; j++) {
      const entry = rotation[from * span + j]!;
      q[k * rank + j] = entry;
      mix[j * rank + k] = (s[j]! * entry) / sigma[from]!;
    }
  });
  for (let k = span; k < rank; k++) q[k * rank + k] = mix[k * rank + k] = 1;
  return {
    component,
    u: kernels.gemm(u, mix, { rows, inner: rank, cols: rank }),
    s: Float32Array.from(s, (value, k) => (k < span ? sigma[order[k]!]! : value)),
    vt: kernels.gemm(q, vt, { rows: rank, inner: rank, cols }),
  };
}

/** How many σ are above what rounding makes of a zero in float32, by the usual bound max(rows, cols)·2⁻²³·σ_1. */
function numericalRank(s: Float32Array, rows: number, cols: number): number {
  const bound = Math.max(rows, cols) * 2 ** -23 * (s[0] ?? 0);
  return s.reduce((count, value) => count + Number(value > bound), 0);
}

/** Uniformly distributed up to the signs of its columns: left singular vectors of a matrix of normal numbers. */
function randomRotation(size: number, random: Random, kernels: Kernels): Float32Array {
  if (size === 0) return new Float32Array(0);
  const normal = Float32Array.from({ length: size * size }, () => random.normal());
  return kernels.svd(normal, size, size).u;
}
