/** Activation functions and their pullbacks over arrays of f32. */
import { exponential, sigmoid } from './exponential';
import { Activation } from './layout';
import { madd } from './simd';

/** y ← f(x). */
export function activate(kind: i32, n: i32, x: usize, y: usize): void {
  if (kind == Activation.RELU) activateBy(Activation.RELU, n, x, y);
  else if (kind == Activation.SILU) activateBy(Activation.SILU, n, x, y);
  else if (kind == Activation.GELU_NEW) activateBy(Activation.GELU_NEW, n, x, y);
  else activateBy(Activation.GELU, n, x, y);
}

/** dx ← dy·f′(x). */
export function activatePull(kind: i32, n: i32, dy: usize, x: usize, dx: usize): void {
  if (kind == Activation.RELU) activatePullBy(Activation.RELU, n, dy, x, dx);
  else if (kind == Activation.SILU) activatePullBy(Activation.SILU, n, dy, x, dx);
  else if (kind == Activation.GELU_NEW) activatePullBy(Activation.GELU_NEW, n, dy, x, dx);
  else activatePullBy(Activation.GELU, n, dy, x, dx);
}

/** y ← f(gate)·up. */
export function gate(kind: i32, n: i32, gates: usize, up: usize, y: usize): void {
  if (kind == Activation.RELU) gateBy(Activation.RELU, n, gates, up, y);
  else if (kind == Activation.SILU) gateBy(Activation.SILU, n, gates, up, y);
  else if (kind == Activation.GELU_NEW) gateBy(Activation.GELU_NEW, n, gates, up, y);
  else gateBy(Activation.GELU, n, gates, up, y);
}

/** dGates ← dy·up·f′(gate), dUp ← dy·f(gate). */
export function gatePull(kind: i32, n: i32, dy: usize, gates: usize, up: usize, dGates: usize, dUp: usize): void {
  if (kind == Activation.RELU) gatePullBy(Activation.RELU, n, dy, gates, up, dGates, dUp);
  else if (kind == Activation.SILU) gatePullBy(Activation.SILU, n, dy, gates, up, dGates, dUp);
  else if (kind == Activation.GELU_NEW) gatePullBy(Activation.GELU_NEW, n, dy, gates, up, dGates, dUp);
  else gatePullBy(Activation.GELU, n, dy, gates, up, dGates, dUp);
}

// @ts-ignore: decorator
@inline
function activateBy(kind: i32, n: i32, x: usize, y: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, y += 16) v128.store(y, value(kind, v128.load(x)));
  for (; i < n; i++, x += 4, y += 4) v128.store_lane<f32>(y, value(kind, v128.load_splat<f32>(x)), 0);
}

// @ts-ignore: decorator
@inline
function activatePullBy(kind: i32, n: i32, dy: usize, x: usize, dx: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, dy += 16, x += 16, dx += 16)
    v128.store(dx, f32x4.mul(v128.load(dy), slope(kind, v128.load(x))));
  for (; i < n; i++, dy += 4, x += 4, dx += 4)
    v128.store_lane<f32>(dx, f32x4.mul(v128.load_splat<f32>(dy), slope(kind, v128.load_splat<f32>(x))), 0);
}

// @ts-ignore: decorator
@inline
function gateBy(kind: i32, n: i32, gates: usize, up: usize, y: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, gates += 16, up += 16, y += 16)
    v128.store(y, f32x4.mul(value(kind, v128.load(gates)), v128.load(up)));
  for (; i < n; i++, gates += 4, up += 4, y += 4)
    v128.store_lane<f32>(y, f32x4.mul(value(kind, v128.load_splat<f32>(gates)), v128.load_splat<f32>(up)), 0);
}

// @ts-ignore: decorator
@inline
function gatePullBy(kind: i32, n: i32, dy: usize, gates: usize, up: usize, dGates: usize, dUp: usize): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, dy += 16, gates += 16, up += 16, dGates += 16, dUp += 16) {
    const given = v128.load(dy), own = v128.load(gates);
    v128.store(dGates, f32x4.mul(f32x4.mul(given, v128.load(up)), slope(kind, own)));
    v128.store(dUp, f32x4.mul(given, value(kind, own)));
  }
  for (; i < n; i++, dy += 4, gates += 4, up += 4, dGates += 4, dUp += 4) {
    const given = v128.load_splat<f32>(dy), own = v128.load_splat<f32>(gates);
    v128.store_lane<f32>(dGates, f32x4.mul(f32x4.mul(given, v128.load_splat<f32>(up)), slope(kind, own)), 0);
    v128.store_lane<f32>(dUp, f32x4.mul(given, value(kind, own)), 0);
  }
}

/** v = 2√(2/π)(x + 0.044715x³): gelu_new is x·sigmoid(v). */
const GELU_LINEAR: f32 = 1.5957691216;
const GELU_CUBIC: f32 = 0.044715 * 1.5957691216;

/** f(x). */
// @ts-ignore: decorator
@inline
function value(kind: i32, x: v128): v128 {
  if (kind == Activation.RELU) return v128.and(x, f32x4.gt(x, f32x4.splat(0)));
  if (kind == Activation.SILU) return f32x4.mul(x, sigmoid(x));
  if (kind == Activation.GELU_NEW) return f32x4.mul(x, sigmoid(geluInner(x)));
  return f32x4.mul(x, area(x, bell(x)));
}

/** f′(x). */
// @ts-ignore: decorator
@inline
function slope(kind: i32, x: v128): v128 {
  const one = f32x4.splat(1);
  if (kind == Activation.RELU) return v128.and(one, f32x4.gt(x, f32x4.splat(0)));
  if (kind == Activation.SILU) {
    const s = sigmoid(x);
    return f32x4.mul(s, madd<f32>(x, f32x4.sub(one, s), one));
  }
  if (kind == Activation.GELU_NEW) {
    const s = sigmoid(geluInner(x));
    const inner = madd<f32>(f32x4.splat(3 * GELU_CUBIC), f32x4.mul(x, x), f32x4.splat(GELU_LINEAR));
    return f32x4.mul(s, madd<f32>(f32x4.mul(x, f32x4.sub(one, s)), inner, one));
  }
  const density = bell(x);
  return madd<f32>(f32x4.mul(x, f32x4.splat(0.39894228)), density, area(x, density));
}

// @ts-ignore: decorator
@inline
function geluInner(x: v128): v128 {
  return f32x4.mul(x, madd<f32>(f32x4.splat(GELU_CUBIC), f32x4.mul(x, x), f32x4.splat(GELU_LINEAR)));
}

/** e^(−x²/2). */
// @ts-ignore: decorator
@inline
function bell(x: v128): v128 {
  return exponential(f32x4.mul(f32x4.splat(-0.5), f32x4.mul(x, x)));
}

/**
 * Φ(x), given e^(−x²/2). By e^(z²)·erfc(z) = t·p(t), t = 1/(1 + 0.37z): p fitted by least squares at Chebyshev points
 * of 0 ≤ z ≤ 9.2, where it errs by at most 2·10⁻⁸ of the value.
 */
// @ts-ignore: decorator
@inline
function area(x: v128, density: v128): v128 {
  const one = f32x4.splat(1);
  const z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.70710678));
  const t = f32x4.div(one, madd<f32>(f32x4.splat(0.37), z, one));
  let p = f32x4.splat(0.06303548);
  p = madd<f32>(p, t, f32x4.splat(-0.30853888));
  p = madd<f32>(p, t, f32x4.splat(0.49743919));
  p = madd<f32>(p, t, f32x4.splat(-0.29713075));
  p = madd<f32>(p, t, f32x4.splat(0.3187767));
  p = madd<f32>(p, t, f32x4.splat(0.10319229));
  p = madd<f32>(p, t, f32x4.splat(0.20709179));
  p = madd<f32>(p, t, f32x4.splat(0.20731364));
  p = madd<f32>(p, t, f32x4.splat(0.20882054));
  const tail = f32x4.mul(f32x4.mul(f32x4.splat(0.5), t), f32x4.mul(p, density));
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
}
