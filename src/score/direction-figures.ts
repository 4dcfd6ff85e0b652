/** From the running statistics of a direction to figures. */
import { Slot, State } from '../../assembly/layout.js';
import { type ExampleSizes, exactSum, STEP, slotBytes } from './statistics-state.js';

/** A quantile is off by at most this share of its value, or, nearer to zero, of the largest magnitude times {@link NEAR_ZERO}. */
export const QUANTILE_ERROR = 1 / 32;
/** Magnitudes below this share of the largest are counted as near zero. */
export const NEAR_ZERO = 2 ** -11;

export interface Moments {
  count: number;
  mean: number;
  /** Of a sample: divided by count − 1; NaN for one value. */
  variance: number;
}

/** Exact in the sums that are kept; one rounding at the end. */
export function momentsOf(state: DataView, unit: number): Moments {
  const count = state.getFloat64(State.COUNT, true);
  if (count === 0) return { count, mean: Number.NaN, variance: Number.NaN };
  const sum = exactSum(floats(state, State.SUM, 2), unit);
  const squares = exactSum(floats(state, State.SQUARES, 4), unit * unit);
  const n = BigInt(count);
  // Sums are in multiples of unit · 2⁻⁴⁴, those of squares in multiples of its square.
  const spread = n * squares - sum * sum;
  const variance = spread > 0n ? (Number(spread) * (unit * STEP ** 2) ** 2) / (count * (count - 1)) : 0;
  return {
    count,
    mean: (Number(sum) * unit * STEP ** 2) / count,
    variance: count > 1 ? variance : Number.NaN,
  };
}

export function extremesOf(state: DataView): { min: number; max: number } {
  return { min: state.getFloat32(State.MIN, true), max: state.getFloat32(State.MAX, true) };
}

/** Counts by value: buckets ascending, the middle of each and its count. */
export interface Histogram {
  middles: Float64Array;
  counts: Float64Array;
  total: number;
}

export function histogramOf(state: DataView): Histogram {
  const top = state.getInt32(State.TOP, true);
  const middles = new Float64Array(2 * State.MAGNITUDES + 1);
  const counts = new Float64Array(2 * State.MAGNITUDES + 1);
  for (let i = 0; i < State.MAGNITUDES; i++) {
    const middle = middleOf(top - (State.MAGNITUDES - 1) + i);
    middles[State.MAGNITUDES - 1 - i] = -middle;
    counts[State.MAGNITUDES - 1 - i] = state.getUint32(State.NEGATIVE + 4 * i, true);
    middles[State.MAGNITUDES + 1 + i] = middle;
    counts[State.MAGNITUDES + 1 + i] = state.getUint32(State.POSITIVE + 4 * i, true);
  }
  counts[State.MAGNITUDES] = state.getUint32(State.NEAR_ZERO, true);
  return { middles, counts, total: counts.reduce((sum, value) => sum + value, 0) };
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** Of all floats whose leading 13 bits are `magnitude`, the one in the middle; 0 for magnitudes below any. */
function middleOf(magnitude: number): number {
  if (magnitude < 0) return 0;
  bits[0] = magnitude << 19;
  const low = float[0]!;
  bits[0] = (magnitude + 1) << 19;
  // The range of the largest finite magnitude ends at infinity.
  const high = Number.isFinite(float[0]!) ? float[0]! : low * (1 + STEP);
  return (low + high) / 2;
}

/**
 * The value below which the share q lies, of rank ⌈q·n⌉ (at least 1), as the middle of its bucket, within the
 * extremes. Error: {@link QUANTILE_ERROR} of the value, or {@link NEAR_ZERO} of the largest magnitude.
 */
export function histogramQuantile(
  { middles, counts, total }: Histogram,
  q: number,
  min: number,
  max: number,
): number {
  if (total === 0) return Number.NaN;
  const rank = Math.max(1, Math.ceil(q * total));
  if (rank === 1) return min;
  if (rank === total) return max;
  let below = 0;
  for (let i = 0; i < counts.length; i++) {
    below += counts[i]!;
    if (below >= rank) return Math.min(max, Math.max(min, middles[i]!));
  }
  return max;
}

export interface Separation {
  /** Probability that a value of the first kind exceeds one of the second, ties counted half. */
  auroc: number;
  /** The true one is no further away than this. */
  error: number;
}

/** From histograms: values in the same bucket count as ties, which bounds the error by half their share of pairs. */
export function aurocOf(first: DataView, second: DataView): Separation | null {
  const top = Math.max(first.getInt32(State.TOP, true), second.getInt32(State.TOP, true));
  const [a, b] = [raised(first, top), raised(second, top)];
  const [n, m] = [total(a), total(b)];
  if (n === 0 || m === 0) return null;
  let [above, same, below] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    above += a[i]! * below;
    same += a[i]! * b[i]!;
    below += b[i]!;
  }
  return { auroc: (above + same / 2) / (n * m), error: same / 2 / (n * m) };
}

/** Counts by bucket, ascending, in the window that ends with `top`. */
function raised(state: DataView, top: number): Float64Array {
  const shift = top - state.getInt32(State.TOP, true);
  const counts = new Float64Array(2 * State.MAGNITUDES + 1);
  counts[State.MAGNITUDES] = state.getUint32(State.NEAR_ZERO, true);
  for (let i = 0; i < State.MAGNITUDES; i++) {
    const [negative, positive] = [State.NEGATIVE, State.POSITIVE].map((side) =>
      state.getUint32(side + 4 * i, true),
    );
    counts[i < shift ? State.MAGNITUDES : State.MAGNITUDES - 1 - (i - shift)]! += negative!;
    counts[i < shift ? State.MAGNITUDES : State.MAGNITUDES + 1 + (i - shift)]! += positive!;
  }
  return counts;
}

function total(counts: Float64Array): number {
  return counts.reduce((sum, value) => sum + value, 0);
}

/** Difference of means over the pooled standard deviation; null where that is zero or not defined. */
export function cohensD(a: Moments, b: Moments): number | null {
  const pooled = ((a.count - 1) * a.variance + (b.count - 1) * b.variance) / (a.count + b.count - 2);
  const d = (a.mean - b.mean) / Math.sqrt(pooled);
  return Number.isFinite(d) ? d : null;
}

export interface KeyFigures {
  /** Mean of position − key's position. */
  distance: number;
  /** Σ score · sign(logit) / Σ |logit|; null where all logits are zero. */
  share: number | null;
}

export function keyFiguresOf(state: DataView, unit: number): KeyFigures {
  const share = Number(exactSum(floats(state, State.SHARE, 2), unit)) * unit * STEP ** 2;
  const logit = Number(exactSum(floats(state, State.LOGIT, 2), LOGIT_UNIT)) * LOGIT_UNIT * STEP ** 2;
  return {
    distance: state.getFloat64(State.DISTANCE, true) / state.getFloat64(State.COUNT, true),
    share: logit > 0 ? share / logit : null,
  };
}

/** Unit of the sums of logits; the same in assembly/statistics.ts. */
const LOGIT_UNIT = 2 ** 20;

export interface Example {
  value: number;
  /** Line of the record. */
  prompt: number;
  position: number;
  /** The strongest key's position, −1 where there are no keys. */
  key: number;
  /** The attention logit at that key. */
  logit: number;
  /** Token ids that end with the example's own; −1 before the passage's beginning. */
  context: number[];
  /** The direction's values at these tokens; NaN where they were not scored. */
  values: number[];
}

/** Strongest first. */
export function examplesOf(state: DataView, sizes: ExampleSizes, end: 'top' | 'bottom'): Example[] {
  const found: Example[] = [];
  const first = end === 'top' ? 0 : sizes.examples;
  for (let i = first; i < first + sizes.examples; i++) {
    const slot = State.EXAMPLES + i * slotBytes(sizes);
    const prompt = state.getUint32(slot + Slot.PROMPT, true);
    if (prompt === Slot.EMPTY) break;
    const words = (from: number) =>
      Array.from({ length: sizes.context }, (_, at) => slot + Slot.CONTEXT + 4 * (from + at));
    found.push({
      value: state.getFloat32(slot + Slot.VALUE, true),
      prompt,
      position: state.getInt32(slot + Slot.POSITION, true),
      key: state.getInt32(slot + Slot.KEY, true),
      logit: state.getFloat32(slot + Slot.LOGIT, true),
      context: words(0).map((at) => state.getInt32(at, true)),
      values: words(sizes.context).map((at) => state.getFloat32(at, true)),
    });
  }
  return found;
}

function floats(state: DataView, from: number, length: number): number[] {
  return Array.from({ length }, (_, i) => state.getFloat64(from + 8 * i, true));
}
