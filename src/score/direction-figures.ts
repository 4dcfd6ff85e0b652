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

/** Of a histogram, ascending: negative magnitudes, the largest first; those near zero; positive ones. */
const BUCKETS = 2 * State.MAGNITUDES + 1;

/** Counts by bucket of the states that are looked at, one after the other. */
const counts = new Float64Array(BUCKETS);
const others = new Float64Array(BUCKETS);

/**
 * Reads counts by bucket, in the window that ends with `top`.
 * @returns their sum
 */
function readCounts(state: DataView, top: number, into: Float64Array): number {
  const shift = top - state.getInt32(State.TOP, true);
  let near = state.getUint32(State.NEAR_ZERO, true);
  let total = near;
  into.fill(0);
  for (let i = 0; i < State.MAGNITUDES; i++) {
    const negative = state.getUint32(State.NEGATIVE + 4 * i, true);
    const positive = state.getUint32(State.POSITIVE + 4 * i, true);
    total += negative + positive;
    if (i < shift) near += negative + positive;
    else {
      into[State.MAGNITUDES - 1 - (i - shift)] = negative;
      into[State.MAGNITUDES + 1 + (i - shift)] = positive;
    }
  }
  into[State.MAGNITUDES] = near;
  return total;
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
 * The values below which the shares lie, of rank ⌈q·n⌉ (at least 1), each as the middle of its bucket, within the
 * extremes; NaN where there are no values. Error: {@link QUANTILE_ERROR} of the value, or {@link NEAR_ZERO} of the
 * largest magnitude.
 * @param shares ascending
 */
export function quantilesOf(state: DataView, shares: readonly number[]): number[] {
  const top = state.getInt32(State.TOP, true);
  const total = readCounts(state, top, counts);
  if (total === 0) return shares.map(() => Number.NaN);
  const { min, max } = extremesOf(state);
  let [bucket, upTo] = [-1, 0];
  return shares.map((share) => {
    const rank = Math.max(1, Math.ceil(share * total));
    if (rank === 1) return min;
    if (rank === total) return max;
    while (upTo < rank) upTo += counts[++bucket]!;
    return Math.min(max, Math.max(min, middleOfBucket(bucket, top)));
  });
}

function middleOfBucket(bucket: number, top: number): number {
  const place = bucket - State.MAGNITUDES;
  return Math.sign(place) * middleOf(top - State.MAGNITUDES + Math.abs(place));
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
  const [n, m] = [readCounts(first, top, counts), readCounts(second, top, others)];
  if (n === 0 || m === 0) return null;
  let [above, same, below] = [0, 0, 0];
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const [count, other] = [counts[bucket]!, others[bucket]!];
    above += count * below;
    same += count * other;
    below += other;
  }
  return { auroc: (above + same / 2) / (n * m), error: same / 2 / (n * m) };
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
  /** Token ids of the passage that end with the example's own: as many as are kept, or all from its beginning. */
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
    const [ids, values] = [slot + Slot.CONTEXT, slot + Slot.CONTEXT + 4 * sizes.context];
    const example: Example = {
      value: state.getFloat32(slot + Slot.VALUE, true),
      prompt,
      position: state.getInt32(slot + Slot.POSITION, true),
      key: state.getInt32(slot + Slot.KEY, true),
      logit: state.getFloat32(slot + Slot.LOGIT, true),
      context: [],
      values: [],
    };
    for (let at = 0; at < 4 * sizes.context; at += 4) {
      const id = state.getInt32(ids + at, true);
      // Before the passage's beginning stands −1.
      if (id < 0) continue;
      example.context.push(id);
      example.values.push(state.getFloat32(values + at, true));
    }
    found.push(example);
  }
  return found;
}

function floats(state: DataView, from: number, length: number): number[] {
  return Array.from({ length }, (_, i) => state.getFloat64(from + 8 * i, true));
}
