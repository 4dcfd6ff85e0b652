/** Operations on contiguous f64 vectors, the level below matrix products. */
import { at, copy } from './arrays';
import { madd } from './simd';

/** Σ x_i y_i, summed in eight strands. */
export function dot(n: i32, x: usize, y: usize): f64 {
  let a = f64x2.splat(0), b = a, c = a, d = a;
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 64, y += 64) {
    a = madd<f64>(v128.load(x), v128.load(y), a);
    b = madd<f64>(v128.load(x, 16), v128.load(y, 16), b);
    c = madd<f64>(v128.load(x, 32), v128.load(y, 32), c);
    d = madd<f64>(v128.load(x, 48), v128.load(y, 48), d);
  }
  a = f64x2.add(f64x2.add(a, b), f64x2.add(c, d));
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; i < n; i++, x += 8, y += 8) sum += load<f64>(x) * load<f64>(y);
  return sum;
}

/** max |x_i|, 0 for no entries; NaN if there is one. */
export function largest(n: i32, x: usize): f64 {
  let most = f64x2.splat(0);
  let i = 0;
  for (; i + 2 <= n; i += 2, x += 16) most = f64x2.max(most, f64x2.abs(v128.load(x)));
  const max = Math.max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1));
  return i < n ? Math.max(max, Math.abs(load<f64>(x))) : max;
}

/** y ← y + factor · x. */
export function addScaled(n: i32, factor: f64, x: usize, y: usize): void {
  const factors = f64x2.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 32, y += 32) {
    v128.store(y, madd<f64>(factors, v128.load(x), v128.load(y)));
    v128.store(y, madd<f64>(factors, v128.load(x, 16), v128.load(y, 16)), 16);
  }
  for (; i < n; i++, x += 8, y += 8) store<f64>(y, load<f64>(y) + factor * load<f64>(x));
}

/** x ← factor · x. */
export function scale(n: i32, factor: f64, x: usize): void {
  const factors = f64x2.splat(factor);
  let i = 0;
  for (; i + 2 <= n; i += 2, x += 16) v128.store(x, f64x2.mul(factors, v128.load(x)));
  if (i < n) store<f64>(x, factor * load<f64>(x));
}

/** out_i ← x_i / y_i. */
export function divide(n: i32, x: usize, y: usize, out: usize): void {
  let i = 0;
  for (; i + 2 <= n; i += 2, x += 16, y += 16, out += 16) v128.store(out, f64x2.div(v128.load(x), v128.load(y)));
  if (i < n) store<f64>(out, load<f64>(x) / load<f64>(y));
}

/** (x, y) ← (c·x + s·y, c·y − s·x). */
export function rotate(n: i32, c: f64, s: f64, x: usize, y: usize): void {
  const cosine = f64x2.splat(c), sine = f64x2.splat(s);
  let i = 0;
  for (; i + 2 <= n; i += 2, x += 16, y += 16) {
    const a = v128.load(x), b = v128.load(y);
    v128.store(x, f64x2.add(f64x2.mul(cosine, a), f64x2.mul(sine, b)));
    v128.store(y, f64x2.sub(f64x2.mul(cosine, b), f64x2.mul(sine, a)));
  }
  if (i < n) {
    const a = load<f64>(x), b = load<f64>(y);
    store<f64>(x, c * a + s * b);
    store<f64>(y, c * b - s * a);
  }
}

/** Copies `rows` rows of `cols` elements each between matrices of any row strides (in elements). */
export function copyRows<T>(rows: i32, cols: i32, from: usize, fromRow: i32, to: usize, toRow: i32): void {
  for (let i = 0; i < rows; i++) {
    copy<T>(at<T>(from, i * fromRow), at<T>(to, i * toRow), cols);
  }
}
