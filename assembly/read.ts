/** Coefficients: rows read by directions. */
import { SET, gemm } from './gemm';

/**
 * out [rows, cols] = X · matrix + bias, X [rows, width] with its rows `xStride` floats apart, matrix [width, cols];
 * `bias` [cols] is zero where there is none.
 */
export function read(
  rows: i32, width: i32, cols: i32, x: usize, xStride: i32, matrix: usize, bias: usize, out: usize,
): void {
  gemm<f32>(SET, false, rows, cols, width, x, xStride, 1, matrix, cols, 1, out, cols, bias);
}
