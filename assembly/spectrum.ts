/**
 * The singular value decomposition of a wide f64 matrix, in place, as a spectrum taken off from the top.
 *
 * The eigenvectors E of Z Z^T turn Z into rows of length σ that are orthogonal up to rounding of size ε σ₁². Rows
 * with σ ≥ RANGE · σ₁ are therefore right to ε / RANGE², and are done. What is below is made orthogonal to them and
 * decomposed again by itself: its largest row is now small, and so is its rounding. A level for each
 * three decades; the matrices of real models need two, the second for a few rows.
 */
import { mark, release } from './arena';
import { at, create, get, set } from './arrays';
import { SET, SUBTRACT, gemm } from './gemm';
import { eigenvectors } from './eigen';
import { multiply } from './strassen';
import { addScaled, dot, scale } from './vector';

const EPSILON: f64 = 2.220446049250313e-16;
/** Part of a level's largest singular value down to which its rows are accepted. */
const RANGE: f64 = 1e-3;
/** Up to this many rows, packing Y for a matrix product would cost more than the product; real models leave one. */
const FEW: i32 = 4;

/**
 * Decomposes Z [n, m], n ≤ m, whose largest entry is 1 or 0, into X^T diag(σ) Y: Y replaces Z, X goes to x [n, n], both
 * with orthonormal rows; σ [n], times `unit`, is descending but for rounding. Rows whose σ is below `size` · ε · σ₁ are
 * not determined by Z, where `size` is the longest side of the matrix that Z stands for: there σ = 0 and Y is completed to
 * an orthonormal set.
 */
export function decompose(n: i32, m: i32, size: i32, unit: f64, z: usize, x: usize, sigma: usize): void {
  const height = mark();
  // Of the levels after the first, which is the largest.
  let turn: usize = 0;
  let floor: f64 = 0;
  let determined = true;
  let done = 0;
  while (done < n) {
    const left = n - done;
    const rest = at<f64>(z, done * m);
    if (!determined) fillWithNoise(left * m, rest);
    // Once leaves ε / RANGE² of the component that was there, and ε of the row; twice leaves the latter only.
    for (let pass = 0; done > 0 && pass < 2; pass++) orthogonalise(left, done, m, rest, z);
    if (done > 0 && !turn) turn = create<f64>(left * left);
    const basis = done == 0 ? x : turn;
    eigenvectorsOfRows(left, m, rest, basis);
    turnRows(left, m, basis, rest);
    if (done > 0 && determined) turnRows(left, n, basis, at<f64>(x, done * n));
    const first = norm(m, rest);
    if (done == 0 && determined) floor = <f64>size * EPSILON * first;
    if (determined && first <= floor) {
      determined = false;
      continue;
    }
    for (; done < n; done++) {
      const row = at<f64>(z, done * m);
      const length = norm(m, row);
      if (length < RANGE * first || (determined && length <= floor)) break;
      scale(m, 1 / length, row);
      set<f64>(sigma, done, determined ? length * unit : 0);
    }
  }
  release(height);
}

/** Eigenvectors of Z Z^T for Z [n, m]. */
function eigenvectorsOfRows(n: i32, m: i32, z: usize, vectors: usize): void {
  const height = mark();
  const gram = create<f64>(n * n);
  gemm<f64>(SET, true, n, n, m, z, m, 1, z, 1, m, gram, n);
  eigenvectors(n, gram, vectors);
  release(height);
}

/** Z ← Z − (Z Y^T) Y for Z [k, m] and orthonormal rows Y [done, m]. */
function orthogonalise(k: i32, done: i32, m: i32, z: usize, y: usize): void {
  if (k <= FEW) {
    for (let i = 0; i < k; i++) {
      const row = at<f64>(z, i * m);
      for (let j = 0; j < done; j++) {
        const direction = at<f64>(y, j * m);
        addScaled(m, -dot(m, row, direction), direction, row);
      }
    }
    return;
  }
  const height = mark();
  const along = create<f64>(k * done);
  gemm<f64>(SET, false, k, done, m, z, m, 1, y, 1, m, along, done);
  gemm<f64>(SUBTRACT, false, k, m, done, along, done, 1, y, m, 1, z, m);
  release(height);
}

/** Z ← E Z for Z [n, cols] and E [n, n]. */
function turnRows(n: i32, cols: i32, e: usize, z: usize): void {
  multiply(n, cols, n, e, n, 1, z, cols, 1, z, cols);
}

/** Uniform numbers in [−1, 1), the same at every call (xorshift, G. Marsaglia, 2003). */
function fillWithNoise(count: i32, to: usize): void {
  let state: u64 = 0x9e3779b97f4a7c15;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    set<f64>(to, i, <f64>(<i64>state >> 11) / 4503599627370496.0);
  }
}

function norm(n: i32, x: usize): f64 {
  return Math.sqrt(dot(n, x, x));
}
