/**
 * Roots of the secular equation 1/ρ + Σ z_i² / (d_i − λ) = 0, which gives the eigenvalues of diag(d) + ρ z z^T.
 * Rational interpolation through the two nearest poles ("the middle way": R.-C. Li, "Solving secular equations
 * stably and efficiently", 1993), inside a bracket that falls back to halving.
 */
import { at, get } from './arrays';
import { madd } from './simd';

const EPSILON: f64 = 2.220446049250313e-16;

/** Sums over poles, set by `sumPoles`: Σ z²/δ and Σ z²/δ². */
let sum: f64 = 0;
let slope: f64 = 0;

/**
 * Root j of the equation with n poles d (ascending, all different), weights z ≠ 0 and ρ > 0; it lies between
 * d_j and d_{j+1}, the last one between d_{n−1} and d_{n−1} + ρ‖z‖². Writes δ_i = d_i − λ to `delta` [n], each to
 * high relative accuracy, because the root is sought as a distance from its nearest pole. Returns λ.
 */
export function secularRoot(j: i32, n: i32, d: usize, z: usize, rho: f64, delta: usize): f64 {
  const last = j == n - 1;
  const lower = get<f64>(d, j);
  const inverse = 1 / rho;
  let origin = lower;
  let low: f64 = 0, high: f64 = 0, shift: f64 = 0;
  if (last) {
    for (let i = 0; i < n; i++) {
      const zi = get<f64>(z, i);
      high += zi * zi;
    }
    high *= rho;
    shift = 0.5 * high;
  } else {
    const gap = get<f64>(d, j + 1) - lower;
    shift = 0.5 * gap;
    if (residual(j, n, d, z, inverse, origin, shift, delta) >= 0) {
      high = shift;
    } else {
      origin = get<f64>(d, j + 1);
      low = -shift;
      shift = -shift;
    }
  }
  for (let step = 0; ; step++) {
    const f = residual(j, n, d, z, inverse, origin, shift, delta);
    if (Math.abs(f) <= tolerance) break;
    if (f < 0) low = shift;
    else high = shift;
    let next = shift + interpolate(f, get<f64>(delta, j), last ? 0 : get<f64>(delta, j + 1), last);
    // Every eighth step halves whatever happens: a bracket that shrinks from one side only would stall.
    if (!(next > low && next < high) || (step & 7) == 7) next = 0.5 * (low + high);
    if (next == shift || !(next > low && next < high)) break;
    shift = next;
  }
  return origin + shift;
}

/** What `residual` found besides its value: the parts' slopes, and the size of value that is only rounding. */
let slopeBelow: f64 = 0;
let slopeAbove: f64 = 0;
let tolerance: f64 = 0;

/** 1/ρ + Σ z_i² / δ_i at λ = origin + shift, with δ written; poles up to j and above j are summed apart. */
function residual(j: i32, n: i32, d: usize, z: usize, inverse: f64, origin: f64, shift: f64, delta: usize): f64 {
  sumPoles(j + 1, d, z, origin, shift, delta);
  const below = sum;
  slopeBelow = slope;
  sumPoles(n - j - 1, at<f64>(d, j + 1), at<f64>(z, j + 1), origin, shift, at<f64>(delta, j + 1));
  slopeAbove = slope;
  tolerance = EPSILON * (<f64>n * (inverse + Math.abs(below) + sum) + Math.abs(shift) * (slopeBelow + slopeAbove));
  return inverse + below + sum;
}

function sumPoles(n: i32, d: usize, z: usize, origin: f64, shift: f64, delta: usize): void {
  const origins = f64x2.splat(origin), shifts = f64x2.splat(shift);
  let sums = f64x2.splat(0), slopes = sums;
  let i = 0;
  for (; i + 2 <= n; i += 2, d += 16, z += 16, delta += 16) {
    const distance = f64x2.sub(f64x2.sub(v128.load(d), origins), shifts);
    v128.store(delta, distance);
    const weight = v128.load(z);
    const ratio = f64x2.div(weight, distance);
    sums = madd<f64>(weight, ratio, sums);
    slopes = madd<f64>(ratio, ratio, slopes);
  }
  sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  slope = f64x2.extract_lane(slopes, 0) + f64x2.extract_lane(slopes, 1);
  if (i < n) {
    const distance = load<f64>(d) - origin - shift;
    store<f64>(delta, distance);
    const weight = load<f64>(z);
    const ratio = weight / distance;
    sum += weight * ratio;
    slope += ratio * ratio;
  }
}

/**
 * The step η to the root of c + s/(δ_j − η) + S/(δ_{j+1} − η), which agrees at η = 0 with the equation's value and
 * with the slopes of both its parts; the last root has one pole only.
 */
function interpolate(f: f64, below: f64, above: f64, last: bool): f64 {
  const slopes = slopeBelow + slopeAbove;
  if (last) {
    const c = f - below * slopeBelow;
    return c > 0 ? (below * f) / c : -f / slopes;
  }
  const c = f - below * slopeBelow - above * slopeAbove;
  const a = (below + above) * f - below * above * slopes;
  const b = below * above * f;
  const root = Math.sqrt(Math.max(0, a * a - 4 * b * c));
  const step = a <= 0 ? (a - root) / (2 * c) : (2 * b) / (a + root);
  return f * step < 0 ? step : -f / slopes;
}
