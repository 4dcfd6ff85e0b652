/** Passes over rows of f32 that lie behind each other: normalisations, softmax, masks, rotations. */
import { at, clear, get, set } from './arrays';
import { exponential } from './exponential';
import { added, madd } from './simd';

/** y ← (x − mean)·rate, rate ← 1/√(mean (x − mean)² + ε); without the mean where rows are not centred. */
export function normalise(
  rows: i32, width: i32, centred: i32, epsilon: f32, x: usize, y: usize, rates: usize,
): void {
  for (let row = 0; row < rows; row++) {
    const mean = centred ? sum(width, x) / <f32>width : 0;
    const means = f32x4.splat(mean);
    let power = f32x4.splat(0);
    let i = 0;
    for (; i + 4 <= width; i += 4) {
      const off = f32x4.sub(v128.load(at<f32>(x, i)), means);
      power = madd<f32>(off, off, power);
      v128.store(at<f32>(y, i), off);
    }
    let total = added(power);
    for (; i < width; i++) {
      const off = get<f32>(x, i) - mean;
      total += off * off;
      set<f32>(y, i, off);
    }
    const rate: f32 = 1 / sqrt<f32>(total / <f32>width + epsilon);
    set<f32>(rates, row, rate);
    scaleRow(width, rate, y);
    x = at<f32>(x, width);
    y = at<f32>(y, width);
  }
}

/** dx ← rate·(dy − mean(dy) − y·mean(dy∘y)); without the middle term where rows are not centred. */
export function normalisePull(
  rows: i32, width: i32, centred: i32, dy: usize, y: usize, rates: usize, dx: usize,
): void {
  for (let row = 0; row < rows; row++) {
    const mean = centred ? sum(width, dy) / <f32>width : 0;
    const along = dotF32(width, dy, y) / <f32>width;
    const rate = get<f32>(rates, row);
    const means = f32x4.splat(mean), shares = f32x4.splat(-along), factors = f32x4.splat(rate);
    let i = 0;
    for (; i + 4 <= width; i += 4) {
      const across = f32x4.sub(v128.load(at<f32>(dy, i)), means);
      v128.store(at<f32>(dx, i), f32x4.mul(factors, madd<f32>(shares, v128.load(at<f32>(y, i)), across)));
    }
    for (; i < width; i++) set<f32>(dx, i, (get<f32>(dy, i) - mean - get<f32>(y, i) * along) * rate);
    dy = at<f32>(dy, width);
    y = at<f32>(y, width);
    dx = at<f32>(dx, width);
  }
}

/** weights ← softmax(scale·scores + bias), row by row; there are `period` rows of biases, which come again and again. */
export function softmax(
  rows: i32, width: i32, period: i32, scale: f32, scores: usize, bias: usize, weights: usize,
): void {
  for (let row = 0; row < rows; row++) {
    softmaxRow(width, scale, at<f32>(scores, row * width), at<f32>(bias, (row % period) * width), at<f32>(weights, row * width));
  }
}

function softmaxRow(width: i32, scale: f32, scores: usize, bias: usize, weights: usize): void {
  const scales = f32x4.splat(scale);
  let most = f32x4.splat(-f32.MAX_VALUE);
  let i = 0;
  for (; i + 4 <= width; i += 4) {
    const score = madd<f32>(scales, v128.load(at<f32>(scores, i)), v128.load(at<f32>(bias, i)));
    most = f32x4.pmax(most, score);
    v128.store(at<f32>(weights, i), score);
  }
  let top = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  for (; i < width; i++) {
    const score = scale * get<f32>(scores, i) + get<f32>(bias, i);
    top = max(top, score);
    set<f32>(weights, i, score);
  }
  const tops = f32x4.splat(top);
  let sums = f32x4.splat(0);
  for (i = 0; i + 4 <= width; i += 4) {
    const power = exponential(f32x4.sub(v128.load(at<f32>(weights, i)), tops));
    sums = f32x4.add(sums, power);
    v128.store(at<f32>(weights, i), power);
  }
  let total = added(sums);
  for (; i < width; i++) {
    const power = f32x4.extract_lane(exponential(f32x4.splat(get<f32>(weights, i) - top)), 0);
    total += power;
    set<f32>(weights, i, power);
  }
  scaleRow(width, 1 / total, weights);
}

/** dScores ← scale·weights∘(dWeights − Σ dWeights∘weights), row by row. It may be the place of dWeights. */
export function softmaxPull(
  rows: i32, width: i32, scale: f32, dWeights: usize, weights: usize, dScores: usize,
): void {
  for (let row = 0; row < rows; row++) {
    const own = dotF32(width, dWeights, weights);
    const owns = f32x4.splat(own), scales = f32x4.splat(scale);
    let i = 0;
    for (; i + 4 <= width; i += 4) {
      const apart = f32x4.sub(v128.load(at<f32>(dWeights, i)), owns);
      v128.store(at<f32>(dScores, i), f32x4.mul(f32x4.mul(scales, v128.load(at<f32>(weights, i))), apart));
    }
    for (; i < width; i++) set<f32>(dScores, i, scale * get<f32>(weights, i) * (get<f32>(dWeights, i) - own));
    dWeights = at<f32>(dWeights, width);
    weights = at<f32>(weights, width);
    dScores = at<f32>(dScores, width);
  }
}

/**
 * y ← x∘cos ± turn(x)∘sin, where turn(x) = (−second half, first half) of the first `dims` entries; the rest stays. Rows
 * of cos and sin are for `repeats` rows of x each, and come again after `positions` of them.
 */
export function rotatePositions(
  rows: i32, width: i32, dims: i32, positions: i32, repeats: i32, sign: f32,
  x: usize, cos: usize, sin: usize, y: usize,
): void {
  const half = dims / 2;
  const signs = f32x4.splat(sign);
  for (let row = 0; row < rows; row++) {
    const skipped = ((row / repeats) % positions) * dims;
    const c = at<f32>(cos, skipped), s = at<f32>(sin, skipped);
    let i = 0;
    for (; i + 4 <= half; i += 4) {
      const first = v128.load(at<f32>(x, i)), second = v128.load(at<f32>(x, half + i));
      const across = f32x4.mul(signs, f32x4.mul(second, v128.load(at<f32>(s, i))));
      const along = f32x4.mul(signs, f32x4.mul(first, v128.load(at<f32>(s, half + i))));
      v128.store(at<f32>(y, i), f32x4.sub(f32x4.mul(first, v128.load(at<f32>(c, i))), across));
      v128.store(at<f32>(y, half + i), f32x4.add(f32x4.mul(second, v128.load(at<f32>(c, half + i))), along));
    }
    for (; i < half; i++) {
      const first = get<f32>(x, i), second = get<f32>(x, half + i);
      set<f32>(y, i, first * get<f32>(c, i) - sign * second * get<f32>(s, i));
      set<f32>(y, half + i, second * get<f32>(c, half + i) + sign * first * get<f32>(s, half + i));
    }
    for (i = dims; i < width; i++) set<f32>(y, i, get<f32>(x, i));
    x = at<f32>(x, width);
    y = at<f32>(y, width);
  }
}

/** difference ← own − base, mixed ← base + mask∘difference; the next row's base lies `step` on. */
export function mix(
  rows: i32, width: i32, step: i32, own: usize, base: usize, mask: usize, mixed: usize, difference: usize,
): void {
  for (let row = 0; row < rows; row++) {
    let i = 0;
    for (; i + 4 <= width; i += 4) {
      const from = v128.load(at<f32>(base, i));
      const apart = f32x4.sub(v128.load(at<f32>(own, i)), from);
      v128.store(at<f32>(difference, i), apart);
      v128.store(at<f32>(mixed, i), madd<f32>(v128.load(at<f32>(mask, i)), apart, from));
    }
    for (; i < width; i++) {
      const apart = get<f32>(own, i) - get<f32>(base, i);
      set<f32>(difference, i, apart);
      set<f32>(mixed, i, get<f32>(base, i) + get<f32>(mask, i) * apart);
    }
    own = at<f32>(own, width);
    base = at<f32>(base, step);
    mixed = at<f32>(mixed, width);
    difference = at<f32>(difference, width);
  }
}

/** dOwn ← gradient∘mask, dMask ← Σ_rows gradient∘difference. */
export function mixPull(
  rows: i32, width: i32, gradient: usize, difference: usize, mask: usize, dOwn: usize, dMask: usize,
): void {
  clear<f32>(dMask, width);
  for (let row = 0; row < rows; row++) {
    let i = 0;
    for (; i + 4 <= width; i += 4) {
      const given = v128.load(at<f32>(gradient, i));
      v128.store(at<f32>(dOwn, i), f32x4.mul(given, v128.load(at<f32>(mask, i))));
      const total = at<f32>(dMask, i);
      v128.store(total, madd<f32>(given, v128.load(at<f32>(difference, i)), v128.load(total)));
    }
    for (; i < width; i++) {
      const given = get<f32>(gradient, i);
      set<f32>(dOwn, i, given * get<f32>(mask, i));
      set<f32>(dMask, i, get<f32>(dMask, i) + given * get<f32>(difference, i));
    }
    gradient = at<f32>(gradient, width);
    difference = at<f32>(difference, width);
    dOwn = at<f32>(dOwn, width);
  }
}

function scaleRow(n: i32, factor: f32, x: usize): void {
  const factors = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16) v128.store(x, f32x4.mul(factors, v128.load(x)));
  for (; i < n; i++, x += 4) store<f32>(x, factor * load<f32>(x));
}

function sum(n: i32, x: usize): f32 {
  let left = f32x4.splat(0), right = left;
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 32) {
    left = f32x4.add(left, v128.load(x));
    right = f32x4.add(right, v128.load(x, 16));
  }
  let total = added(f32x4.add(left, right));
  for (; i < n; i++, x += 4) total += load<f32>(x);
  return total;
}

function dotF32(n: i32, x: usize, y: usize): f32 {
  let left = f32x4.splat(0), right = left;
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 32, y += 32) {
    left = madd<f32>(v128.load(x), v128.load(y), left);
    right = madd<f32>(v128.load(x, 16), v128.load(y, 16), right);
  }
  let total = added(f32x4.add(left, right));
  for (; i < n; i++, x += 4, y += 4) total += load<f32>(x) * load<f32>(y);
  return total;
}
