/** What every set of kernels computes: both WebAssembly builds and the plain TypeScript reference. */
import type { ThinSvd } from './thin-svd.js';

/** op(A) [rows, inner] · op(B) [inner, cols]; a transposed operand is stored the other way round. */
export interface ProductShape {
  rows: number;
  inner: number;
  cols: number;
  /** A is stored [inner, rows]. */
  transposeA?: boolean;
  /** B is stored [cols, inner]. */
  transposeB?: boolean;
}

/** All matrices are row-major; all arrays may lie on shared memory. Results go to `out` where it is given. */
export interface Kernels {
  /**
   * Thin singular value decomposition of A [rows, cols], rank = min(rows, cols). Of each direction's two signs
   * the one is taken that makes the largest entry of u_k in magnitude (the first, if several are within 1e-6 of
   * it) positive. Singular values below max(rows, cols) · 2⁻⁵² · s₀ come out as zero.
   * @throws InputError if A holds NaN or infinity, σ₀ is beyond float32, or A needs more memory than there is
   * @throws RangeError if an array's length does not fit the shape
   */
  svd(a: Float32Array, rows: number, cols: number, out?: ThinSvd): ThinSvd;

  /**
   * As {@link svd}, of A [rows, inner] · B [inner, cols], rank = min(rows, inner, cols). The product is not formed
   * where `inner` is the smallest of the three. Errors are relative to ‖A‖‖B‖, in double precision.
   */
  svdOfProduct(
    a: Float32Array,
    b: Float32Array,
    rows: number,
    inner: number,
    cols: number,
    out?: ThinSvd,
  ): ThinSvd;

  /** op(A) · op(B), [rows, cols], both operands and the arithmetic in f32 or both in f64. */
  gemm<T extends Float32Array | Float64Array>(a: T, b: T, shape: ProductShape, out?: T): T;
}
