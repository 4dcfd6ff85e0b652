/** Exponential and sigmoid of four f32 at a time; a logarithm. */
import { madd } from './simd';

/** 1.5 · 2²³: a sum with it has the nearest integer in its last bits. */
const ROUND: f32 = 12582912;

/** e^x to 2 units in the last place; 0 below −87, where it would no longer be a normal number. */
// @ts-ignore: decorator
@inline
export function exponential(x: v128): v128 {
  // x = n·ln 2 + r, and e^r by its Taylor series.
  const held = f32x4.pmax(f32x4.pmin(x, f32x4.splat(88)), f32x4.splat(-87));
  const shifted = madd<f32>(held, f32x4.splat(1.442695041), f32x4.splat(ROUND));
  const n = f32x4.sub(shifted, f32x4.splat(ROUND));
  const r = madd<f32>(n, f32x4.splat(2.12194440e-4), madd<f32>(n, f32x4.splat(-0.693359375), held));
  let p = f32x4.splat(1.0 / 5040);
  p = madd<f32>(p, r, f32x4.splat(1.0 / 720));
  p = madd<f32>(p, r, f32x4.splat(1.0 / 120));
  p = madd<f32>(p, r, f32x4.splat(1.0 / 24));
  p = madd<f32>(p, r, f32x4.splat(1.0 / 6));
  p = madd<f32>(p, r, f32x4.splat(0.5));
  p = madd<f32>(p, r, f32x4.splat(1));
  p = madd<f32>(p, r, f32x4.splat(1));
  const bits = i32x4.sub(shifted, i32x4.splat(reinterpret<i32>(ROUND) - 127));
  return v128.andnot(f32x4.mul(p, i32x4.shl(bits, 23)), f32x4.lt(x, f32x4.splat(-87)));
}

/** 1/(1 + e^−x). */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exponential(f32x4.neg(x))));
}

/**
 * log x to 10⁻¹⁵, x normal and above 0. The compiler's own has a table, which would lie in memory that is not ours.
 */
export function logarithm(x: f64): f64 {
  // x = 2^n·m, √½ ≤ m < √2, and log m = 2·artanh s = 2(s + s³/3 + s⁵/5 + …) with |s| < 0.172.
  const bits = reinterpret<u64>(x);
  let n = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    n++;
  }
  const s = (m - 1) / (m + 1), square = s * s;
  let sum: f64 = 0;
  for (let i = 21; i > 0; i -= 2) sum = sum * square + 1 / <f64>i;
  return <f64>n * 0.6931471805599453 + 2 * s * sum;
}
