/** The training loss at rows of logits. */
import { at, get, set } from './arrays';
import { exponential, logarithm } from './exponential';
import { added, madd } from './simd';

/** Elements whose sum is taken in f32, before it is added to the row's in f64. */
const PART: i32 = 256;

/**
 * kl[row] ← KL(softmax(teacher) ‖ softmax(logits)), and d ← factor·(softmax(logits) − softmax(teacher)), its gradient by
 * the logits.
 * @param d 0 where no gradient is wanted
 */
export function divergence(rows: i32, width: i32, factor: f32, logits: usize, teacher: usize, kl: usize, d: usize): void {
  for (let row = 0; row < rows; row++) {
    const sMost = largest(width, logits), tMost = largest(width, teacher);
    const sSum = exponentials(width, sMost, logits, d), tSum = exponentials(width, tMost, teacher, 0);
    // log p_teacher − log p = t − s less this, which is rounded once: it is small where the two are close.
    const between = <f32>(<f64>tMost + logarithm(tSum) - <f64>sMost - logarithm(sSum));
    set<f32>(kl, row, <f32>weighed(width, <f32>(1 / sSum), tMost, <f32>(1 / tSum), between, factor, logits, teacher, d));
    logits = at<f32>(logits, width);
    teacher = at<f32>(teacher, width);
    if (d) d = at<f32>(d, width);
  }
}

function largest(n: i32, x: usize): f32 {
  let most = f32x4.splat(-f32.MAX_VALUE);
  let i = 0;
  for (; i + 4 <= n; i += 4) most = f32x4.pmax(most, v128.load(at<f32>(x, i)));
  let top = max(
    max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1)),
    max(f32x4.extract_lane(most, 2), f32x4.extract_lane(most, 3)),
  );
  for (; i < n; i++) top = max(top, get<f32>(x, i));
  return top;
}

/** Σ e^(x − top); unless `to` is 0, each of them is written there. */
function exponentials(n: i32, top: f32, x: usize, to: usize): f64 {
  const tops = f32x4.splat(top);
  let total: f64 = 0;
  let i = 0;
  while (i + 4 <= n) {
    const end = min(i + PART, n);
    let part = f32x4.splat(0);
    for (; i + 4 <= end; i += 4) {
      const power = exponential(f32x4.sub(v128.load(at<f32>(x, i)), tops));
      part = f32x4.add(part, power);
      if (to) v128.store(at<f32>(to, i), power);
    }
    total += <f64>added(part);
  }
  for (; i < n; i++) {
    const power = f32x4.extract_lane(exponential(f32x4.splat(get<f32>(x, i) - top)), 0);
    total += <f64>power;
    if (to) set<f32>(to, i, power);
  }
  return total;
}

/** Σ p·(t − s − between), p = share·e^(t − top); d ← factor·(ofS·d − p), where d has e^(s − its largest), unless it is 0. */
function weighed(
  n: i32, ofS: f32, top: f32, share: f32, between: f32, factor: f32, s: usize, t: usize, d: usize,
): f64 {
  const tops = f32x4.splat(top), shares = f32x4.splat(share), apart = f32x4.splat(between);
  const gains = f32x4.splat(factor * ofS), losses = f32x4.splat(-factor);
  let total: f64 = 0;
  let i = 0;
  while (i + 4 <= n) {
    const end = min(i + PART, n);
    let part = f32x4.splat(0);
    for (; i + 4 <= end; i += 4) {
      const wanted = v128.load(at<f32>(t, i));
      const p = f32x4.mul(shares, exponential(f32x4.sub(wanted, tops)));
      part = madd<f32>(p, f32x4.sub(f32x4.sub(wanted, v128.load(at<f32>(s, i))), apart), part);
      if (d) v128.store(at<f32>(d, i), madd<f32>(losses, p, f32x4.mul(gains, v128.load(at<f32>(d, i)))));
    }
    total += <f64>added(part);
  }
  for (; i < n; i++) {
    const wanted = get<f32>(t, i);
    const p = share * f32x4.extract_lane(exponential(f32x4.splat(wanted - top)), 0);
    total += <f64>(p * (wanted - get<f32>(s, i) - between));
    if (d) set<f32>(d, i, factor * (ofS * get<f32>(d, i) - p));
  }
  return total;
}
