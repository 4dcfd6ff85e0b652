/** How exact a decomposition is, in f64 products by the kernels, which bench/kernels.ts checks by plain loops. */
import type { Factors } from '../src/decompose/factors.js';
import type { Kernels } from '../src/kernels/contract.js';
import type { ThinSvd } from '../src/kernels/thin-svd.js';

/** ‖W − u diag(s) vt‖ / ‖W‖, Frobenius norms. */
export function residual(
  kernels: Kernels,
  { a, b, rows, inner, cols }: Factors,
  { u, s, vt }: ThinSvd,
): number {
  const dense = b
    ? kernels.gemm(Float64Array.from(a), Float64Array.from(b), { rows, inner, cols })
    : Float64Array.from(a);
  const rank = s.length;
  const scaled = Float64Array.from(u, (x, i) => x * s[i % rank]!);
  const rebuilt = kernels.gemm(scaled, Float64Array.from(vt), { rows, inner: rank, cols });
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return norm(dense.map((x, i) => x - rebuilt[i]!)) / norm(dense);
}

/** The larger of ‖U^T U − I‖∞ and ‖V^T V − I‖∞. */
export function orthogonality(kernels: Kernels, { u, s, vt }: ThinSvd): number {
  const rank = s.length;
  const [rows, cols] = [u.length / rank, vt.length / rank];
  const [left, right] = [Float64Array.from(u), Float64Array.from(vt)];
  const grams = [
    kernels.gemm(left, left, { rows: rank, inner: rows, cols: rank, transposeA: true }),
    kernels.gemm(right, right, { rows: rank, inner: cols, cols: rank, transposeB: true }),
  ];
  let largest = 0;
  for (const gram of grams)
    for (let p = 0; p < rank; p++) {
      let sum = 0;
      for (let q = 0; q < rank; q++) sum += Math.abs(gram[p * rank + q]! - Number(p === q));
      largest = Math.max(largest, sum);
    }
  return largest;
}
