/**
 * Eigenvalues and eigenvectors of a symmetric tridiagonal matrix by divide and conquer (J. Cuppen, 1981), with
 * the vectors made from the roots rather than from the given update, which keeps them orthogonal (M. Gu,
 * S. Eisenstat, "A divide-and-conquer algorithm for the symmetric tridiagonal eigenproblem", 1995).
 */
import { mark, release } from './arena';
import { at, copy, clear, create, get, set } from './arrays';
import { SET, gemm } from './gemm';
import { secularRoot } from './secular';
import { LEAST, multiply } from './strassen';
import { copyRows, divide, dot, largest, rotate, scale } from './vector';

const EPSILON: f64 = 2.220446049250313e-16;

/** Where an eigenvector of the two halves is not zero; BOTH after a rotation joined one of each. */
const UPPER: i32 = 0, BOTH: i32 = 1, LOWER: i32 = 2, DEFLATED: i32 = 3;

/**
 * Solves T = (d, e): on return d [n] holds the eigenvalues, row i of q [n, n] (row stride `qRow`) the eigenvector
 * of d_i, and order [n] (i32) the indices by ascending eigenvalue. q must come in as zeros; e [n − 1] is used up.
 * Entries should be near 1 in size.
 */
export function divideAndConquer(n: i32, d: usize, e: usize, q: usize, qRow: i32, order: usize): void {
  if (n == 1) {
    set<f64>(q, 0, 1);
    set<i32>(order, 0, 0);
    return;
  }
  const half = n >> 1;
  const coupling = get<f64>(e, half - 1);
  const rho = Math.abs(coupling);
  // T = diag(T1, T2) + ρ w w^T with w = (…, 0, 1, sign, 0, …): ρ is taken off the two entries at the cut.
  set<f64>(d, half - 1, get<f64>(d, half - 1) - rho);
  set<f64>(d, half, get<f64>(d, half) - rho);
  const corner = at<f64>(q, half * qRow + half);
  divideAndConquer(half, d, e, q, qRow, order);
  divideAndConquer(n - half, at<f64>(d, half), at<f64>(e, half), corner, qRow, at<i32>(order, half));
  const height = mark();
  const z = create<f64>(n);
  for (let i = 0; i < n; i++) {
    const entry = get<f64>(q, i * qRow + (i < half ? half - 1 : half));
    set<f64>(z, i, (i >= half && coupling < 0 ? -entry : entry) * Math.SQRT1_2);
  }
  joinOrders(n, half, d, order);
  merge(n, half, d, z, 2 * rho, q, qRow, order);
  release(height);
}

/** Joins the ascending orders of both halves into one; the second half's indices are counted from `half`. */
function joinOrders(n: i32, half: i32, d: usize, order: usize): void {
  const height = mark();
  const joined = create<i32>(n);
  let first = 0, second = half;
  for (let i = 0; i < n; i++) {
    const a = first < half ? get<i32>(order, first) : 0;
    const b = second < n ? get<i32>(order, second) + half : 0;
    const takeFirst = second >= n || (first < half && get<f64>(d, a) <= get<f64>(d, b));
    set<i32>(joined, i, takeFirst ? a : b);
    if (takeFirst) first++;
    else second++;
  }
  copy<i32>(joined, order, n);
  release(height);
}

/** Eigenpairs of Q^T diag(d) Q + ρ (Q^T z)(Q^T z)^T, in the form `divideAndConquer` returns; ‖z‖ = 1. */
function merge(n: i32, half: i32, d: usize, z: usize, rho: f64, q: usize, qRow: i32, order: usize): void {
  const height = mark();
  const kind = create<i32>(n);
  for (let i = 0; i < n; i++) set<i32>(kind, i, i < half ? UPPER : LOWER);
  const kept = deflate(n, d, z, rho, q, qRow, order, kind);

  // Kept vectors are gathered by kind, so that the products below leave out what is known to be zero.
  const position = create<i32>(kept);
  const counts = create<i32>(3);
  const gathered = create<f64>(n * n);
  let filled = 0;
  for (let wanted = UPPER; wanted <= LOWER; wanted++) {
    const before = filled;
    for (let i = 0; i < kept; i++) {
      const source = get<i32>(order, i);
      if (get<i32>(kind, source) != wanted) continue;
      set<i32>(position, i, filled);
      copy<f64>(at<f64>(q, source * qRow), at<f64>(gathered, filled * n), n);
      filled++;
    }
    set<i32>(counts, wanted, filled - before);
  }
  const values = create<f64>(n);
  for (let i = kept; i < n; i++) {
    const source = get<i32>(order, i);
    copy<f64>(at<f64>(q, source * qRow), at<f64>(gathered, i * n), n);
    set<f64>(values, i, get<f64>(d, source));
  }

  if (kept > 0) {
    const turn = create<f64>(kept * kept);
    rankOneUpdate(kept, d, z, rho, order, position, values, turn);
    const upper = get<i32>(counts, UPPER), both = get<i32>(counts, BOTH), lower = get<i32>(counts, LOWER);
    const from = at<f64>(gathered, upper * n + half);
    multiplyOrClear(kept, half, upper + both, turn, kept, gathered, n, q, qRow);
    multiplyOrClear(kept, n - half, both + lower, at<f64>(turn, upper), kept, from, n, at<f64>(q, half), qRow);
  }
  copyRows<f64>(n - kept, n, at<f64>(gathered, kept * n), n, at<f64>(q, kept * qRow), qRow);
  copy<f64>(values, d, n);
  sortIndices(n, kept, d, order);
  release(height);
}

/** C ← A·B, which is zero where the inner dimension is. */
function multiplyOrClear(m: i32, n: i32, k: i32, a: usize, aRow: i32, b: usize, bRow: i32, c: usize, cRow: i32): void {
  if (min(m, min(n, k)) >= LEAST) multiply(m, n, k, a, aRow, 1, b, bRow, 1, c, cRow);
  else if (k > 0) gemm<f64>(SET, false, m, n, k, a, aRow, 1, b, bRow, 1, c, cRow);
  else for (let i = 0; i < m; i++) clear<f64>(at<f64>(c, i * cRow), n);
}

/**
 * Sets aside the eigenpairs that the update leaves as they are: those with a negligible weight z_i, and one of each
 * two that are so close that a rotation, applied here, takes the weight off it. Rearranges `order`: kept
 * indices first, ascending, then the others. Returns how many are kept.
 */
function deflate(n: i32, d: usize, z: usize, rho: f64, q: usize, qRow: i32, order: usize, kind: usize): i32 {
  const tolerance = 8 * EPSILON * Math.max(largest(n, d), largest(n, z));
  const height = mark();
  const asideIndices = create<i32>(n);
  let kept = 0, aside = 0, pending = -1;
  for (let i = 0; i < n; i++) {
    const next = get<i32>(order, i);
    const weight = get<f64>(z, next);
    if (rho * Math.abs(weight) <= tolerance) {
      set<i32>(kind, next, DEFLATED);
      set<i32>(asideIndices, aside++, next);
      continue;
    }
    if (pending >= 0) {
      const other = get<f64>(z, pending);
      const gap = get<f64>(d, next) - get<f64>(d, pending);
      const length = Math.sqrt(weight * weight + other * other);
      const c = weight / length, s = -other / length;
      if (Math.abs(gap * c * s) <= tolerance) {
        rotate(n, c, s, at<f64>(q, pending * qRow), at<f64>(q, next * qRow));
        const low = get<f64>(d, pending);
        set<f64>(d, pending, low + gap * s * s);
        set<f64>(d, next, low + gap * c * c);
        set<f64>(z, next, length);
        if (get<i32>(kind, pending) != get<i32>(kind, next)) set<i32>(kind, next, BOTH);
        set<i32>(kind, pending, DEFLATED);
        set<i32>(asideIndices, aside++, pending);
      } else {
        set<i32>(order, kept++, pending);
      }
    }
    pending = next;
  }
  if (pending >= 0) set<i32>(order, kept++, pending);
  copy<i32>(asideIndices, at<i32>(order, kept), aside);
  release(height);
  return kept;
}

/**
 * Eigenvalues `values` [n] and eigenvectors, rows of `turn` [n, n], of diag(d) + ρ z z^T over the first n indices
 * in `order`; column i of the vectors goes to column position_i.
 */
function rankOneUpdate(
  n: i32, d: usize, z: usize, rho: f64, order: usize, position: usize, values: usize, turn: usize,
): void {
  const height = mark();
  const poles = create<f64>(n), weights = create<f64>(n), row = create<f64>(n);
  for (let i = 0; i < n; i++) {
    set<f64>(poles, i, get<f64>(d, get<i32>(order, i)));
    set<f64>(weights, i, get<f64>(z, get<i32>(order, i)));
  }
  for (let j = 0; j < n; j++) set<f64>(values, j, secularRoot(j, n, poles, weights, rho, at<f64>(turn, j * n)));
  exactWeights(n, poles, weights, turn);
  for (let j = 0; j < n; j++) {
    const target = at<f64>(turn, j * n);
    divide(n, weights, target, row);
    scale(n, 1 / Math.sqrt(dot(n, row, row)), row);
    for (let i = 0; i < n; i++) set<f64>(target, get<i32>(position, i), get<f64>(row, i));
  }
  release(height);
}

/**
 * Replaces the weights by those for which the computed roots are exact:
 * ẑ_i² ∝ Π_j (d_i − λ_j) / Π_{j≠i} (d_i − d_j), from distances δ [n, n], row j for root j.
 */
function exactWeights(n: i32, d: usize, z: usize, delta: usize): void {
  const height = mark();
  const squares = create<f64>(n);
  for (let i = 0; i < n; i++) set<f64>(squares, i, get<f64>(delta, i * n + i));
  for (let j = 0; j < n; j++) {
    const row = at<f64>(delta, j * n);
    const pole = get<f64>(d, j);
    multiplyByRatios(j, pole, row, d, squares);
    multiplyByRatios(n - j - 1, pole, at<f64>(row, j + 1), at<f64>(d, j + 1), at<f64>(squares, j + 1));
  }
  for (let i = 0; i < n; i++) {
    const size = Math.sqrt(Math.abs(get<f64>(squares, i)));
    set<f64>(z, i, get<f64>(z, i) < 0 ? -size : size);
  }
  release(height);
}

/** squares_i ← squares_i · δ_i / (d_i − pole). */
function multiplyByRatios(n: i32, pole: f64, delta: usize, d: usize, squares: usize): void {
  const poles = f64x2.splat(pole);
  let i = 0;
  for (; i + 2 <= n; i += 2) {
    const place = at<f64>(squares, i);
    const ratio = f64x2.div(v128.load(at<f64>(delta, i)), f64x2.sub(v128.load(at<f64>(d, i)), poles));
    v128.store(place, f64x2.mul(v128.load(place), ratio));
  }
  if (i < n) set<f64>(squares, i, get<f64>(squares, i) * (get<f64>(delta, i) / (get<f64>(d, i) - pole)));
}

/** Writes to `order` the indices 0 … n − 1 by ascending d; the first `sorted` values are ascending already. */
function sortIndices(n: i32, sorted: i32, d: usize, order: usize): void {
  const height = mark();
  const rest = create<i32>(n);
  const count = n - sorted;
  for (let i = 0; i < count; i++) {
    const value = get<f64>(d, sorted + i);
    let place = i;
    for (; place > 0 && get<f64>(d, get<i32>(rest, place - 1)) > value; place--) {
      set<i32>(rest, place, get<i32>(rest, place - 1));
    }
    set<i32>(rest, place, sorted + i);
  }
  let first = 0, second = 0;
  for (let i = 0; i < n; i++) {
    const candidate = second < count ? get<i32>(rest, second) : 0;
    const takeFirst =
      second >= count || (first < sorted && get<f64>(d, first) <= get<f64>(d, candidate));
    set<i32>(order, i, takeFirst ? first++ : candidate);
    if (!takeFirst) second++;
  }
  release(height);
}
