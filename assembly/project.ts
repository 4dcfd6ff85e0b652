/** Scores: rows projected on directions, with the bias row and the singular values taken along. */
import { mark, release } from './arena';
import { at, copy, create, get, set } from './arrays';
import { ADD, SET, gemm } from './gemm';

/**
 * out [n, rank] = ([1, X] U) diag(s) in f32, X [n, width] without its leading one; without `bias` U has no row for
 * it and out = (X U) diag(s). U is [width + 1 or width, rank].
 */
export function project(
  n: i32, width: i32, rank: i32, bias: bool, x: usize, u: usize, s: usize, out: usize,
): void {
  const height = mark();
  const rows = bias ? width + 1 : width;
  const scaled = create<f32>(rows * rank);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < rank; k++) {
      set<f32>(scaled, i * rank + k, get<f32>(u, i * rank + k) * get<f32>(s, k));
    }
  }
  if (bias) for (let i = 0; i < n; i++) copy<f32>(scaled, at<f32>(out, i * rank), rank);
  const body = bias ? at<f32>(scaled, rank) : scaled;
  gemm<f32>(bias ? ADD : SET, false, n, rank, width, x, width, 1, body, rank, 1, out, rank);
  release(height);
}

/**
 * As `project`, for directions that are read many times: U diag(s) is given as `matrix` [width, rank] and its bias
 * row as `bias` (or zero); rows of X lie `xRow` floats apart.
 */
export function read(
  n: i32, width: i32, rank: i32, x: usize, xRow: i32, matrix: usize, bias: usize, out: usize,
): void {
  if (bias != 0) for (let i = 0; i < n; i++) copy<f32>(bias, at<f32>(out, i * rank), rank);
  gemm<f32>(bias != 0 ? ADD : SET, false, n, rank, width, x, xRow, 1, matrix, rank, 1, out, rank);
}
