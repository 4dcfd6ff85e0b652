/** The sets of kernels under test, matrices to decompose, and the measures of a decomposition in plain loops. */

import { linkedProduct } from '../../src/engine/native/host-kernels.js';
import type { Kernels } from '../../src/kernels/contract.js';
import { loadKernels, type WasmKernels } from '../../src/kernels/kernels.js';
import { referenceKernels } from '../../src/kernels/reference/reference-kernels.js';
import type { ThinSvd } from '../../src/kernels/thin-svd.js';
import { Random } from '../../src/random.js';
import { plainHostProduct } from './host-product.js';

/** Every set of kernels that runs on this machine, by name; one suite holds for all of them. */
export async function kernelSets(): Promise<[name: string, kernels: Kernels][]> {
  return [['reference', referenceKernels], ...(await wasmKernelSets())];
}

/** Those of WebAssembly: both builds, and the better one with products of the host, OpenBLAS's where it is linked. */
export async function wasmKernelSets(): Promise<[name: string, kernels: WasmKernels][]> {
  const best = await loadKernels();
  const relaxed = best.variant === 'relaxed' ? 'relaxed' : 'simd again: no relaxed SIMD on this machine';
  const openBlas = linkedProduct();
  return [
    ['simd', await loadKernels('simd')],
    [relaxed, best],
    ['with products of the host', await loadKernels(undefined, plainHostProduct)],
    ...(openBlas ? [['with OpenBLAS', await loadKernels(undefined, openBlas)] as [string, WasmKernels]] : []),
  ];
}

export function gaussian(rows: number, cols: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: rows * cols }, () => random.normal());
}

/** ‖A − u diag(s) vt‖ / ‖A‖, Frobenius norms; the plain residual norm where A is zero. */
export function residual(a: ArrayLike<number>, { u, s, vt }: ThinSvd, rows: number, cols: number): number {
  const rank = s.length;
  const row = new Float64Array(cols);
  let missed = 0;
  let norm = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) row[j] = a[i * cols + j]!;
    for (let j = 0; j < cols; j++) norm += row[j]! ** 2;
    for (let k = 0; k < rank; k++) {
      const coefficient = u[i * rank + k]! * s[k]!;
      for (let j = 0; j < cols; j++) row[j]! -= coefficient * vt[k * cols + j]!;
    }
    for (let j = 0; j < cols; j++) missed += row[j]! ** 2;
  }
  return Math.sqrt(missed) / (Math.sqrt(norm) || 1);
}

/** ‖V V^T − I‖∞ (largest row sum) of the k vectors that are the rows of V [k, n]. */
export function rowsOrthogonality(v: Float32Array, k: number, n: number): number {
  let worst = 0;
  for (let p = 0; p < k; p++) {
    let sum = 0;
    for (let q = 0; q < k; q++) {
      let dot = p === q ? -1 : 0;
      for (let j = 0; j < n; j++) dot += v[p * n + j]! * v[q * n + j]!;
      sum += Math.abs(dot);
    }
    worst = Math.max(worst, sum);
  }
  return worst;
}

/** As {@link rowsOrthogonality} for vectors in the columns of U [n, k]. */
export function columnsOrthogonality(u: Float32Array, n: number, k: number): number {
  return rowsOrthogonality(transposed(u, n, k), k, n);
}

export function transposed(a: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(a.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = a[i * cols + j]!;
  return out;
}
