/** Plain references for products: three loops, double precision inside. */
import type { ProductShape } from '../contract.js';

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
