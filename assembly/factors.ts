/** Between the host's f32 matrices and the kernels' f64 rows: widening on the way in, order and signs on the way out. */
import { mark, release } from './arena';
import { at, create, get, set } from './arrays';
import { largest } from './vector';

/** Entries of u_k this close to its largest, relatively, count as equally large: rounding must not choose among them. */
const TIE: f64 = 1e-6;
/** Rows and columns transposed at a time. */
const TILE: i32 = 16;

/** f64 copy of `count` f32. */
export function widen(count: i32, from: usize, to: usize): void {
  for (let i = 0; i < count; i++) set<f64>(to, i, <f64>get<f32>(from, i));
}

/** f64 copy [cols, rows] of the transpose of an f32 matrix [rows, cols]. */
export function widenTransposed(rows: i32, cols: i32, from: usize, to: usize): void {
  for (let top = 0; top < rows; top += TILE) {
    const bottom = min(rows, top + TILE);
    for (let j = 0; j < cols; j++) {
      for (let i = top; i < bottom; i++) set<f64>(to, j * rows + i, <f64>get<f32>(from, i * cols + j));
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
    for (let j = 0; j < cols; j++) set<f32>(vt, k * cols + j, <f32>(sign * get<f64>(right, source * cols + j)));
  }
  for (let top = 0; top < rank; top += TILE) {
    const bottom = min(rank, top + TILE);
    for (let i = 0; i < rows; i++) {
      for (let k = top; k < bottom; k++) {
        set<f32>(u, i * rank + k, <f32>(get<f64>(signs, k) * get<f64>(left, get<i32>(order, k) * rows + i)));
      }
    }
  }
  release(height);
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
