/** Plain references for the products: three loops, double precision inside. */
import type { ProductShape } from '../contract.js';
import type { ThinSvd } from '../thin-svd.js';

/** op(A) · op(B) in double precision, [rows, cols]; see Kernels.gemm. */
export function referenceProduct(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { rows, inner, cols, transposeA = false, transposeB = false }: ProductShape,
): Float64Array {
  const c = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < cols; j++) {
      let sum = 0;
      for (let p = 0; p < inner; p++)
        sum += a[transposeA ? p * rows + i : i * inner + p]! * b[transposeB ? j * inner + p : p * cols + j]!;
      c[i * cols + j] = sum;
    }
  return c;
}

/** Coefficients of rows on directions; see Kernels.project. */
export function referenceProjection(
  x: Float32Array,
  rows: number,
  { u, s }: Pick<ThinSvd, 'u' | 's'>,
): Float64Array {
  const width = x.length / rows;
  const rank = s.length;
  const bias = u.length / rank - width;
  const out = new Float64Array(rows * rank);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < rank; k++) {
      let sum = bias ? u[k]! : 0;
      for (let j = 0; j < width; j++) sum += x[i * width + j]! * u[(j + bias) * rank + k]!;
      out[i * rank + k] = sum * s[k]!;
    }
  return out;
}
