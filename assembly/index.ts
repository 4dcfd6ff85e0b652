/** What the host may call; both builds export the same. Matrices are row-major, pointers are byte addresses. */
import { SET, gemm } from './gemm';
import { multiplyAddInRegisters } from './peak';
import { copyRows } from './vector';

export { activate, activatePull, gate, gatePull } from './activation';
export { allocate, mark, release } from './arena';
export { attend, attendPull } from './attention';
export { strongestKeys } from './keys';
export { divergence } from './loss';
export { productOfActivated, products } from './products';
export { read } from './read';
export { mix, mixPull, normalise, normalisePull, rotatePositions, softmax, softmaxPull } from './rows';
export { accumulate } from './statistics';
export { multiply } from './strassen';
export { svd, svdOfProduct } from './svd';

/** C [m, n] ← op(A) op(B): A is stored [m, k], or [k, m] with `transposeA`; B [k, n], or [n, k] with `transposeB`. */
export function gemmF32(
  transposeA: i32, transposeB: i32, m: i32, n: i32, k: i32, a: usize, b: usize, c: usize,
): void {
  const aRow = transposeA ? 1 : k, aCol = transposeA ? m : 1;
  const bRow = transposeB ? 1 : n, bCol = transposeB ? k : 1;
  gemm<f32>(SET, false, m, n, k, a, aRow, aCol, b, bRow, bCol, c, n);
}

/** See `copyRows`. */
export function copyRowsF32(rows: i32, cols: i32, from: usize, fromRow: i32, to: usize, toRow: i32): void {
  copyRows<f32>(rows, cols, from, fromRow, to, toRow);
}

/** As `gemmF32`, in f64. */
export function gemmF64(
  transposeA: i32, transposeB: i32, m: i32, n: i32, k: i32, a: usize, b: usize, c: usize,
): void {
  const aRow = transposeA ? 1 : k, aCol = transposeA ? m : 1;
  const bRow = transposeB ? 1 : n, bCol = transposeB ? k : 1;
  gemm<f64>(SET, false, m, n, k, a, aRow, aCol, b, bRow, bCol, c, n);
}

/** See `multiplyAddInRegisters`. */
export function peakF32(rounds: i32): f32 {
  return multiplyAddInRegisters<f32>(rounds);
}

/** See `multiplyAddInRegisters`. */
export function peakF64(rounds: i32): f64 {
  return multiplyAddInRegisters<f64>(rounds);
}
