/** Between the host's f32 matrices and the kernels' f64 rows: widening on the way in, order and signs on the way out. */
import { mark, release } from './arena';
import { at, create, get, set } from './arrays';
import { largest } from './vector';

/** Entries of u_k this close to its largest, relatively, count as equally large: rounding must not choose among them. */
const TIE: f64 = 1e-6;
/** Rows and columns transposed at a time. */
const TILE: i32 = 16;
/** Directions that are turned into columns at a time: their rows may all begin at one place of the first-level cache. */
const COLUMNS: i32 = 8;

/** max |x_i| of f32; NaN if there is one. */
export function largestF32(n: i32, x: usize): f64 {
  let most = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) most = f32x4.max(most, f32x4.abs(v128.load(at<f32>(x, i))));
  let max = f32x4.extract_lane(most, 0);
  max = Mathf.max(max, f32x4.extract_lane(most, 1));
  max = Mathf.max(max, f32x4.extract_lane(most, 2));
  max = Mathf.max(max, f32x4.extract_lane(most, 3));
  for (; i < n; i++) max = Mathf.max(max, Mathf.abs(get<f32>(x, i)));
  return <f64>max;
}

/** to ← factor · from, in f64, of `count` f32. */
export function widen(count: i32, factor: f64, from: usize, to: usize): void {
  const factors = f64x2.splat(factor);
  let i = 0;
  for (; i + 2 <= count; i += 2)
    v128.store(at<f64>(to, i), f64x2.mul(factors, f64x2.promote_low_f32x4(v128.load64_zero(at<f32>(from, i)))));
  if (i < count) set<f64>(to, i, factor * <f64>get<f32>(from, i));
}

/** The same, [cols, rows], of the transpose of an f32 matrix [rows, cols]. */
export function widenTransposed(rows: i32, cols: i32, factor: f64, from: usize, to: usize): void {
  const factors = f64x2.splat(factor);
  const next = at<f64>(0, rows);
  for (let top = 0; top < rows; top += TILE) {
    const bottom = min(rows, top + TILE);
    const paired = bottom & ~1, turned = cols & ~1;
    for (let j = 0; j < turned; j += 2) {
      for (let i = top; i < paired; i += 2) {
        const source = at<f32>(from, i * cols + j), target = at<f64>(to, j * rows + i);
        const a = v128.load64_zero(source), b = v128.load64_zero(at<f32>(source, cols));
        // a₀ b₀ a₁ b₁
        const both = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
        v128.store(target, f64x2.mul(factors, f64x2.promote_low_f32x4(both)));
        v128.store(target + next, f64x2.mul(factors, f64x2.promote_low_f32x4(v128.shuffle<f64>(both, both, 1, 1))));
      }
    }
    for (let j = 0; j < cols; j++) {
      for (let i = j < turned ? paired : top; i < bottom; i++) {
        set<f64>(to, j * rows + i, factor * <f64>get<f32>(from, i * cols + j));
      }
    }
  }
}

/**
 * Writes singular triplets as they are stored: u [rows, rank], s [rank], vt [rank, cols] in f32, σ descending, each
 * direction signed so that the entry of u_k of largest magnitude (the first among equals) is positive.
 * Left and right vectors come as the rows of `left` [rank, rows] and `right` [rank, cols].
 */
export function writeFactors(
  rows: i32, cols: i32, rank: i32, left: usize, sigma: usize, right: usize, u: usize, s: usize, vt: usize,
): void {
  const height = mark();
  const order = create<i32>(rank);
  const signs = create<f64>(rank);
  orderDescending(rank, sigma, order);
  for (let k = 0; k < rank; k++) {
    const source = get<i32>(order, k);
    const sign: f64 = leadingEntry(rows, at<f64>(left, source * rows)) < 0 ? -1 : 1;
    set<f64>(signs, k, sign);
    set<f32>(s, k, <f32>get<f64>(sigma, source));
    narrow(cols, sign, at<f64>(right, source * cols), at<f32>(vt, k * cols));
  }
  for (let top = 0; top < rank; top += COLUMNS) {
    const bottom = min(rank, top + COLUMNS), paired = bottom - top == COLUMNS ? rows & ~1 : 0;
    for (let i = 0; i < paired; i += 2) {
      narrowFour(i, rows, left, at<i32>(order, top), at<f64>(signs, top), at<f32>(u, i * rank + top), rank);
      narrowFour(i, rows, left, at<i32>(order, top + 4), at<f64>(signs, top + 4), at<f32>(u, i * rank + top + 4), rank);
    }
    for (let i = paired; i < rows; i++) {
      for (let k = top; k < bottom; k++) {
        set<f32>(u, i * rank + k, <f32>(get<f64>(signs, k) * get<f64>(left, get<i32>(order, k) * rows + i)));
      }
    }
  }
  release(height);
}

/** to ← factor · from, in f32. */
function narrow(n: i32, factor: f64, from: usize, to: usize): void {
  const factors = f64x2.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4, from += 32, to += 16) {
    const low = f32x4.demote_f64x2_zero(f64x2.mul(factors, v128.load(from)));
    const high = f32x4.demote_f64x2_zero(f64x2.mul(factors, v128.load(from, 16)));
    v128.store(to, v128.shuffle<f32>(low, high, 0, 1, 4, 5));
  }
  for (; i < n; i++, from += 8, to += 4) store<f32>(to, <f32>(factor * load<f64>(from)));
}

/** Entries i and i + 1 of four directions, each times its sign, side by side in two rows of u. */
// @ts-ignore: decorator
@inline
function narrowFour(i: i32, rows: i32, left: usize, order: usize, signs: usize, u: usize, rank: i32): void {
  const a = signedPair(i, rows, left, order, signs), b = signedPair(i, rows, left, order + 4, signs + 8);
  const c = signedPair(i, rows, left, order + 8, signs + 16), d = signedPair(i, rows, left, order + 12, signs + 24);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  v128.store(u, v128.shuffle<f64>(ab, cd, 0, 2));
  v128.store(at<f32>(u, rank), v128.shuffle<f64>(ab, cd, 1, 3));
}

// @ts-ignore: decorator
@inline
function signedPair(i: i32, rows: i32, left: usize, order: usize, sign: usize): v128 {
  return f32x4.demote_f64x2_zero(f64x2.mul(v128.load_splat<f64>(sign), v128.load(at<f64>(left, load<i32>(order) * rows + i))));
}

/** The entry that decides a direction's sign. */
function leadingEntry(n: i32, x: usize): f64 {
  const enough = (1 - TIE) * largest(n, x);
  let i = 0;
  while (Math.abs(get<f64>(x, i)) < enough) i++;
  return get<f64>(x, i);
}

/** Indices by descending σ, which is nearly in order already (insertion sort). */
function orderDescending(n: i32, sigma: usize, order: usize): void {
  for (let i = 0; i < n; i++) {
    let place = i;
    for (; place > 0; place--) {
      const before = get<i32>(order, place - 1);
      if (get<f64>(sigma, before) >= get<f64>(sigma, i)) break;
      set<i32>(order, place, before);
    }
    set<i32>(order, place, i);
  }
}
