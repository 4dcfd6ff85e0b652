/** What a head's keys look like from its queries, averaged over offsets (docs/maths.md, "Rotary positions"). */
import type { Rotary } from '../models/architecture.js';
import { planesOf } from '../models/qk-split.js';

/**
 * G = mean over offsets Δ = 0 … offsets − 1 of R_Δᵀ Kᵀ K R_Δ, where R_Δ turns a plane's coordinates as a row:
 * (x, y) R_Δ = (x cos − y sin, x sin + y cos). Which offsets are averaged over decides in what order directions come
 * and how they share the scores; it never touches their sum.
 * @param key [rows, dHead], the bias row included: the augmented key matrix of one head
 * @returns [dHead, dHead], symmetric
 */
export function keyMetric(
  key: Float32Array,
  dHead: number,
  { dims, frequencies, scale }: Rotary,
  offsets: number,
): Float64Array {
  const gram = gramOf(key, dHead);
  // The scale of cos and sin acts on queries and on keys, where dimensions turn.
  const factor = (i: number) => (i < dims ? scale * scale : 1);
  for (let i = 0; i < dHead; i++)
    for (let j = 0; j < dHead; j++) gram[i * dHead + j]! *= factor(i) * factor(j);
  const mean = new Float64Array(dHead * dHead);
  for (let offset = 0; offset < offsets; offset++) {
    const turned = gram.slice();
    frequencies.forEach((frequency, plane) => {
      const [cos, sin] = [Math.cos(offset * frequency), Math.sin(offset * frequency)];
      const [a, b] = [plane, plane + dims / 2];
      // Rows of R_Δᵀ M, then columns of M R_Δ: the same rotation on either side.
      for (let i = 0; i < dHead; i++) rotatePair(turned, a * dHead + i, b * dHead + i, cos, sin);
      for (let i = 0; i < dHead; i++) rotatePair(turned, i * dHead + a, i * dHead + b, cos, sin);
    });
    for (let i = 0; i < mean.length; i++) mean[i]! += turned[i]! / offsets;
  }
  return mean;
}

/**
 * L with L Lᵀ = G, lower triangular (Cholesky), for positive semidefinite G. Any root of G gives the same u and σ
 * of W_Q·root; this one needs no eigenvectors. Where G has no more rank, columns are zero.
 * @returns [n, n] in float32
 */
export function metricRoot(metric: Float64Array, n: number): Float32Array {
  const l = new Float64Array(n * n);
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, metric[i * n + i]!);
  for (let j = 0; j < n; j++) {
    const pivot = metric[j * n + j]! - partialDot(l, j * n, j * n, j);
    if (pivot <= n * Number.EPSILON * largest) continue;
    const root = Math.sqrt(pivot);
    l[j * n + j] = root;
    for (let i = j + 1; i < n; i++)
      l[i * n + j] = (metric[i * n + j]! - partialDot(l, i * n, j * n, j)) / root;
  }
  const out = new Float32Array(n * n);
  out.set(l);
  return out;
}

/**
 * How large each plane's share of the scores can be: √tr(A_p G_p), with A_p and G_p the blocks of QᵀQ and of G that
 * belong to plane p. It is the root mean square over offsets of the Frobenius norm of Q_p R_Δ K_pᵀ.
 * @param query [rows, dHead], the augmented query matrix of one head
 * @returns one a plane, in the order of {@link planesOf}
 */
export function planeSizes(
  query: Float32Array,
  metric: Float64Array,
  dHead: number,
  turning: number,
): number[] {
  const gram = gramOf(query, dHead);
  return planesOf(dHead, turning).map(([a, b]) => {
    const block = [a * dHead + a, a * dHead + b, b * dHead + a, b * dHead + b];
    return Math.sqrt(
      Math.max(
        0,
        block.reduce((sum, at) => sum + gram[at]! * metric[at]!, 0),
      ),
    );
  });
}

/** KᵀK in float64. */
function gramOf(key: Float32Array, n: number): Float64Array {
  const gram = new Float64Array(n * n);
  for (let row = 0; row < key.length; row += n)
    for (let i = 0; i < n; i++) {
      const value = key[row + i]!;
      for (let j = 0; j <= i; j++) gram[i * n + j]! += value * key[row + j]!;
    }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) gram[j * n + i] = gram[i * n + j]!;
  return gram;
}

/** Coordinates a and b as R_Δ turns them. */
function rotatePair(values: Float64Array, a: number, b: number, cos: number, sin: number): void {
  const [x, y] = [values[a]!, values[b]!];
  values[a] = x * cos - y * sin;
  values[b] = x * sin + y * cos;
}

function partialDot(values: Float64Array, a: number, b: number, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += values[a + k]! * values[b + k]!;
  return sum;
}
