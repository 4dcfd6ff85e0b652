/** Thin singular value decompositions of f32 matrices and of products of two, u and vt with `rank` vectors each. */
import { mark, release } from './arena';
import { clear, create } from './arrays';
import { largestF32, widen, widenTransposed, writeFactors } from './factors';
import { SET, gemm } from './gemm';
import { orthonormalRows, turnedRows } from './orthonormal';
import { decompose } from './spectrum';
import { largest, scale } from './vector';

/**
 * A [rows, cols] = u diag(s) vt, rank min(rows, cols). A may lie where u or vt goes. Returns false if A has an entry that
 * is not finite.
 */
export function svd(rows: i32, cols: i32, a: usize, u: usize, s: usize, vt: usize): bool {
  const unit = largestF32(rows * cols, a);
  if (!isFinite(unit)) return false;
  const height = mark();
  const z = create<f64>(rows * cols);
  const factor = unit > 0 ? 1 / unit : 1;
  if (rows > cols) widenTransposed(rows, cols, factor, a, z);
  else widen(rows * cols, factor, a, z);
  writeDecomposition(rows, cols, unit, z, u, s, vt);
  release(height);
  return true;
}

/**
 * A [rows, inner] · B [inner, cols] = u diag(s) vt, rank min(rows, inner, cols). Where the inner dimension is the
 * smallest the product is never formed: with A = Q_A R_A and B^T = Q_B R_B, the triplets of R_A R_B^T are turned
 * by Q_A and Q_B. Returns false if A or B has an entry that is not finite.
 */
export function svdOfProduct(
  rows: i32, inner: i32, cols: i32, a: usize, b: usize, u: usize, s: usize, vt: usize,
): bool {
  const height = mark();
  const left = create<f64>(rows * inner);
  const right = create<f64>(inner * cols);
  widenTransposed(rows, inner, 1, a, left);
  widen(inner * cols, 1, b, right);
  const finite =
    inner > min(rows, cols)
      ? svdOfDenseProduct(rows, inner, cols, left, right, u, s, vt)
      : svdOfFactors(rows, inner, cols, left, right, u, s, vt);
  release(height);
  return finite;
}

/** A^T [inner, rows] and B [inner, cols] in f64. */
function svdOfDenseProduct(
  rows: i32, inner: i32, cols: i32, a: usize, b: usize, u: usize, s: usize, vt: usize,
): bool {
  const z = create<f64>(rows * cols);
  if (rows > cols) gemm<f64>(SET, false, cols, rows, inner, b, 1, cols, a, rows, 1, z, rows);
  else gemm<f64>(SET, false, rows, cols, inner, a, 1, rows, b, cols, 1, z, cols);
  const unit = toItsUnit(rows * cols, z);
  if (!isFinite(unit)) return false;
  writeDecomposition(rows, cols, unit, z, u, s, vt);
  return true;
}

/**
 * Divides a matrix by its largest entry, which it returns: then no square of a square leaves the range of f64, whatever
 * product of f32 matrices this is.
 */
function toItsUnit(count: i32, z: usize): f64 {
  const unit = largest(count, z);
  if (isFinite(unit) && unit > 0) scale(count, 1 / unit, z);
  return unit;
}

/** Decomposes a matrix that is given with its shorter side first, in f64 and its unit: Z = A, or A^T where rows > cols. */
function writeDecomposition(rows: i32, cols: i32, unit: f64, z: usize, u: usize, s: usize, vt: usize): void {
  const n = min(rows, cols), m = max(rows, cols);
  const x = create<f64>(n * n);
  const sigma = create<f64>(n);
  decompose(n, m, m, unit, z, x, sigma);
  if (rows > cols) writeFactors(rows, cols, n, z, sigma, x, u, s, vt);
  else writeFactors(rows, cols, n, x, sigma, z, u, s, vt);
}

/** A^T [r, rows] and B [r, cols] in f64, r ≤ rows and r ≤ cols; both are used up. */
function svdOfFactors(
  rows: i32, r: i32, cols: i32, a: usize, b: usize, u: usize, s: usize, vt: usize,
): bool {
  const tauA = create<f64>(r), tauB = create<f64>(r), sigma = create<f64>(r);
  const lowerA = create<f64>(r * r), lowerB = create<f64>(r * r);
  const inverseA = create<f64>(r * r), inverseB = create<f64>(r * r);
  const core = create<f64>(r * r), x = create<f64>(r * r);
  const directA = orthonormalRows(r, rows, a, lowerA, inverseA, tauA);
  const directB = orthonormalRows(r, cols, b, lowerB, inverseB, tauB);
  // A B = (L_A Q_A)^T (L_B Q_B), so the core is L_A^T L_B.
  gemm<f64>(SET, false, r, r, r, lowerA, 1, r, lowerB, r, 1, core, r);
  const unit = toItsUnit(r * r, core);
  if (!isFinite(unit)) return false;
  decompose(r, r, max(rows, cols), unit, core, x, sigma);
  const left = turnedRows(r, rows, x, a, directA, inverseA, tauA);
  const right = turnedRows(r, cols, core, b, directB, inverseB, tauB);
  writeFactors(rows, cols, r, left, sigma, right, u, s, vt);
  return true;
}
