/** Bases that are the singular one, turned: random ones, and principal components (docs/maths.md, "Other bases"). */
import type { Kernels } from '../kernels/contract.js';
import type { Component } from '../models/components.js';
import type { Random } from '../random.js';
import { orthonormal } from '../statistics/principal-angles.js';
import type { Directions } from './directions.js';

/** Which of a matrix's two orthonormal sides stays orthonormal when its directions are turned. */
type Side = 'read' | 'written';

/**
 * W over a random orthonormal basis of its span: Q orthogonal and uniformly distributed. Of rotary QK it is the u'_k that
 * are orthonormal, for its forward pass needs them so; of all others the v'_k.
 * @returns directions by descending σ'
 */
export function inRandomBasis(
  directions: Directions,
  random: Random,
  kernels: Kernels,
  side: Side = 'written',
): Directions {
  const span = spanOf(directions);
  return turned(directions, randomRotation(span, random, kernels), { side, kernels, sorted: true });
}

/** Of what a component's directions are the principal components: what a head's queries read, what all others write. */
function principalSide({ kind }: Pick<Component, 'kind'>): Side {
  return kind === 'qk' ? 'read' : 'written';
}

/**
 * W over the principal components of what the component reads or writes.
 * @param covariance [rank, rank], of the coefficients by singular directions: [1, x]·u_k, or σ_k [1, x]·u_k of what is written
 * @returns directions by descending variance; where nothing varies any more, in no particular order
 */
export function inPrincipalBasis(
  directions: Directions,
  covariance: Float64Array,
  kernels: Kernels,
): Directions {
  const { rank } = directions.component;
  const span = spanOf(directions);
  const own = new Float32Array(span * span);
  for (let i = 0; i < span; i++) for (let j = 0; j < span; j++) own[i * span + j] = covariance[i * rank + j]!;
  // Eigenvectors of a symmetric matrix without negative eigenvalues; rows of the rotation.
  const { vt } = span === 0 ? { vt: own } : kernels.svd(own, span, span);
  return turned(directions, vt, { side: principalSide(directions.component), kernels, sorted: false });
}

/**
 * W over a subspace of what a component writes (of QK: of what its queries read) and what is orthogonal to it, each in its
 * own order of importance: within the subspace, and then outside of it, directions come by descending σ'.
 * @param rows an orthonormal basis of the subspace in the coordinates of the singular directions, [rank] each; nothing
 *   along null directions
 */
export function inAlignedBasis(
  directions: Directions,
  rows: readonly Float64Array[],
  kernels: Kernels,
): Directions {
  const { s } = directions;
  const span = spanOf(directions);
  const inside = rows.map((row) => row.slice(0, span));
  const axes = Array.from({ length: span }, (_, at) =>
    Float64Array.from({ length: span }, (_, k) => Number(k === at)),
  );
  const outside = orthonormal([...inside, ...axes]).slice(rows.length);
  const rotation = [inside, outside].flatMap((part) => bySize(part, s, kernels));
  const side = principalSide(directions.component);
  return turned(directions, Float32Array.from(rotation.flatMap((row) => [...row])), {
    ...{ side, kernels, sorted: false },
  });
}

/** The same space by orthonormal rows b_i for which b_i S are orthogonal to each other, the longest first. */
function bySize(rows: readonly Float64Array[], s: Float32Array, kernels: Kernels): Float64Array[] {
  const [n, span] = [rows.length, rows[0]?.length ?? 0];
  if (n === 0) return [];
  const scaled = Float32Array.from({ length: n * span }, (_, at) => {
    const k = at % span;
    return rows[Math.floor(at / span)]![k]! * s[k]!;
  });
  const { u } = kernels.svd(scaled, n, span);
  const turned = rows.map((_, i) =>
    Float64Array.from({ length: span }, (_, k) =>
      rows.reduce((sum, row, j) => sum + u[j * n + i]! * row[k]!, 0),
    ),
  );
  return orthonormal(turned);
}

/**
 * W in the basis whose rows are Q Vᵀ (`written`) or whose columns are U Qᵀ (`read`): the other side follows, so that
 * W = Σ_k σ'_k u'_k v'_kᵀ still holds; there vectors are only of length one. Only the span of W is turned: its null
 * directions stay as they are, last. Else outputs of single directions would leave that span, such as the mean that
 * centred weights never write and that the masked forward pass takes for zero.
 * @param rotation Q, [span, span]
 * @param options.sorted by descending σ'
 */
function turned(
  { component, u, s, vt }: Directions,
  rotation: Float32Array,
  { side, kernels, sorted }: { side: Side; kernels: Kernels; sorted: boolean },
): Directions {
  const { rows, cols, rank } = component;
  const span = Math.round(Math.sqrt(rotation.length));
  // W v'_k = U (S Qᵀ)_k, and U keeps lengths: σ'_k is the length of row k of Q S. Of W'u'_k likewise.
  const sigma = Float64Array.from({ length: span }, (_, k) => {
    let square = 0;
    for (let j = 0; j < span; j++) square += (s[j]! * rotation[k * span + j]!) ** 2;
    return Math.sqrt(square);
  });
  const order = Array.from(sigma.keys());
  if (sorted) order.sort((a, b) => sigma[b]! - sigma[a]! || a - b);
  const q = new Float32Array(rank * rank);
  const mix = new Float32Array(rank * rank);
  order.forEach((from, k) => {
    for (let j = 0; j < span; j++) {
      const entry = rotation[from * span + j]!;
      q[k * rank + j] = entry;
      mix[k * rank + j] = (s[j]! * entry) / sigma[from]!;
    }
  });
  for (let k = span; k < rank; k++) q[k * rank + k] = mix[k * rank + k] = 1;
  const [left, right] = side === 'written' ? [mix, q] : [q, mix];
  return {
    component,
    u: kernels.gemm(u, left, { rows, inner: rank, cols: rank, transposeB: true }),
    s: Float32Array.from(s, (value, k) => (k < span ? sigma[order[k]!]! : value)),
    vt: kernels.gemm(right, vt, { rows: rank, inner: rank, cols }),
  };
}

/** How many σ are above what rounding makes of a zero in float32, by the usual bound max(rows, cols)·2⁻²³·σ_1. */
export function spanOf({ component: { rows, cols }, s }: Directions): number {
  const bound = Math.max(rows, cols) * 2 ** -23 * (s[0] ?? 0);
  return s.reduce((count, value) => count + Number(value > bound), 0);
}

/** Uniformly distributed up to the signs of its columns: left singular vectors of a matrix of normal numbers. */
function randomRotation(size: number, random: Random, kernels: Kernels): Float32Array {
  if (size === 0) return new Float32Array(0);
  const normal = Float32Array.from({ length: size * size }, () => random.normal());
  return kernels.svd(normal, size, size).u;
}
