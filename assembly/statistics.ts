/**
 * Streaming statistics of coefficients: exact sums, extremes, a histogram for quantiles, the strongest examples.
 * Whatever order values come in, however they are cut into parts, the same values leave the same bytes behind:
 * sums are made of parts that add up without rounding (J. Demmel, H. D. Nguyen, "Fast Reproducible Floating-Point
 * Summation", 2013), and everything else is a maximum or a count.
 */
import { at } from './arrays';
import { Row, Slot, State } from './layout';

/** A float's magnitude: its exponent and the four leading bits of its fraction. */
const DROPPED_BITS: u32 = 19;
/** The magnitude of infinity; NaN's are not smaller. */
const NOT_FINITE: i32 = 0xff << 4;

/** Rows at a time: their columns stay in the first-level cache while one column after the other is read. */
const ROW_BLOCK: i32 = 256;

const EMPTY: u32 = <u32>Slot.EMPTY;

/** 1.5 · 2^52 · 2^-22: adding it to a number leaves multiples of 2^-22 of the unit it is scaled by. */
const ROUNDING: f64 = 1.5 * 1073741824.0;
const STEP: f64 = 1.0 / 4194304.0;

/**
 * Takes in values of `cols` directions (a multiple of four), x [rows, cols], of rows as `descriptions` say.
 * `keys` and `logits` are zero or [rows, cols]. Returns the number of a direction that has a value which is not finite, or −1.
 */
export function accumulate(
  rows: i32, cols: i32, x: usize, units: usize, states: usize, stateBytes: usize, examples: i32, context: i32,
  descriptions: usize, tokens: usize, keys: usize, logits: usize,
): i32 {
  const rowBytes = at<f32>(0, cols);
  const listBytes = (<usize>examples) * (<usize>Slot.CONTEXT + 8 * (<usize>context));
  for (let start = 0; start < rows; start += ROW_BLOCK) {
    const count = min(ROW_BLOCK, rows - start);
    const block = x + (<usize>start) * rowBytes;
    for (let c = 0; c < cols; c += 2) {
      const left = states + (<usize>c) * stateBytes;
      addMoments(count, at<f32>(block, c), rowBytes, at<f64>(units, c), left, left + stateBytes);
    }
    for (let c = 0; c < cols; c++) {
      if (!addToHistogram(count, at<f32>(block, c), rowBytes, states + (<usize>c) * stateBytes)) return c;
    }
    for (let c = 0; c < cols; c += 4) addExtremes(count, at<f32>(block, c), rowBytes, states, stateBytes, c);
    if (keys != 0) {
      const shift = (<usize>start) * rowBytes;
      for (let c = 0; c < cols; c++) {
        addKeys(
          count, at<f32>(block, c), at<i32>(keys + shift, c), at<f32>(logits + shift, c), rowBytes,
          descriptions + (<usize>start) * Row.BYTES, load<f64>(at<f64>(units, c)), states + (<usize>c) * stateBytes,
        );
      }
    }
    if (examples > 0) {
      for (let c = 0; c < cols; c += 4) {
        findExamples(
          start, count, c, x, rowBytes, states + (<usize>c) * stateBytes, stateBytes, listBytes, context,
          descriptions, tokens, keys, logits,
        );
      }
    }
  }
  return -1;
}

/** Two directions' counts, sums and sums of squares. Every part is a multiple of a power of two and adds up exactly. */
function addMoments(n: i32, x: usize, rowBytes: usize, units: usize, left: usize, right: usize): void {
  const unit = v128.load(units);
  const step = f64x2.splat(STEP);
  const high = f64x2.mul(unit, f64x2.splat(ROUNDING));
  const low = f64x2.mul(high, step);
  const first = f64x2.mul(high, unit);
  const second = f64x2.mul(first, step);
  const third = f64x2.mul(second, step);
  const fourth = f64x2.mul(third, step);
  let sumHigh = pair(left, right, State.SUM), sumLow = pair(left, right, State.SUM + 8);
  let square1 = pair(left, right, State.SQUARES);
  let square2 = pair(left, right, State.SQUARES + 8);
  let square3 = pair(left, right, State.SQUARES + 16);
  let square4 = pair(left, right, State.SQUARES + 24);
  for (let i = 0; i < n; i++, x += rowBytes) {
    const value = f64x2.promote_low_f32x4(v128.load64_zero(x));
    const coarse = f64x2.sub(f64x2.add(value, high), high);
    sumHigh = f64x2.add(sumHigh, coarse);
    const fine = f64x2.sub(f64x2.add(f64x2.sub(value, coarse), low), low);
    sumLow = f64x2.add(sumLow, fine);
    // What is squared is what was summed, so that variances come out exact for these values.
    const kept = f64x2.add(coarse, fine);
    const square = f64x2.mul(kept, kept);
    const part1 = f64x2.sub(f64x2.add(square, first), first);
    const rest1 = f64x2.sub(square, part1);
    const part2 = f64x2.sub(f64x2.add(rest1, second), second);
    const rest2 = f64x2.sub(rest1, part2);
    square1 = f64x2.add(square1, part1);
    square2 = f64x2.add(square2, part2);
    const part3 = f64x2.sub(f64x2.add(rest2, third), third);
    square3 = f64x2.add(square3, part3);
    square4 = f64x2.add(square4, f64x2.sub(f64x2.add(f64x2.sub(rest2, part3), fourth), fourth));
  }
  store<f64>(left + State.COUNT, load<f64>(left + State.COUNT) + <f64>n);
  store<f64>(right + State.COUNT, load<f64>(right + State.COUNT) + <f64>n);
  putPair(left, right, State.SUM, sumHigh);
  putPair(left, right, State.SUM + 8, sumLow);
  putPair(left, right, State.SQUARES, square1);
  putPair(left, right, State.SQUARES + 8, square2);
  putPair(left, right, State.SQUARES + 16, square3);
  putPair(left, right, State.SQUARES + 24, square4);
}

// @ts-ignore: decorator
@inline
function pair(left: usize, right: usize, offset: usize): v128 {
  return f64x2.replace_lane(f64x2.splat(load<f64>(left + offset)), 1, load<f64>(right + offset));
}

// @ts-ignore: decorator
@inline
function putPair(left: usize, right: usize, offset: usize, value: v128): void {
  store<f64>(left + offset, f64x2.extract_lane(value, 0));
  store<f64>(right + offset, f64x2.extract_lane(value, 1));
}

/** Counts values by sign and magnitude; false if one is not finite. */
function addToHistogram(n: i32, x: usize, rowBytes: usize, state: usize): bool {
  let low = load<i32>(state + State.TOP) - (State.MAGNITUDES - 1);
  for (let i = 0; i < n; i++, x += rowBytes) {
    const bits = load<u32>(x);
    const magnitude = <i32>((bits & 0x7fffffff) >>> DROPPED_BITS);
    let place = magnitude - low;
    if (<u32>place >= <u32>State.MAGNITUDES) {
      if (magnitude >= NOT_FINITE) return false;
      if (place < 0) {
        store<u32>(state + State.NEAR_ZERO, load<u32>(state + State.NEAR_ZERO) + 1);
        continue;
      }
      raiseTop(state, magnitude);
      low = magnitude - (State.MAGNITUDES - 1);
      place = State.MAGNITUDES - 1;
    }
    const counter = state + State.NEGATIVE + (<usize>(1 - (bits >>> 31))) * (State.POSITIVE - State.NEGATIVE) + 4 * (<usize>place);
    store<u32>(counter, load<u32>(counter) + 1);
  }
  return true;
}

/** Moves the window of magnitudes up; what falls out below is counted as near zero. */
function raiseTop(state: usize, top: i32): void {
  const shift = min(top - load<i32>(state + State.TOP), State.MAGNITUDES);
  const kept = at<u32>(0, State.MAGNITUDES - shift);
  const dropped = at<u32>(0, shift);
  let near = load<u32>(state + State.NEAR_ZERO);
  for (let side = State.NEGATIVE; side <= State.POSITIVE; side += State.POSITIVE - State.NEGATIVE) {
    for (let i: usize = 0; i < dropped; i += 4) near += load<u32>(state + side + i);
    memory.copy(state + side, state + side + dropped, kept);
    memory.fill(state + side + kept, 0, dropped);
  }
  store<u32>(state + State.NEAR_ZERO, near);
  store<i32>(state + State.TOP, top);
}

/** Smallest and largest values of four directions. */
function addExtremes(n: i32, x: usize, rowBytes: usize, states: usize, stateBytes: usize, c: i32): void {
  const state = states + (<usize>c) * stateBytes;
  let least = f32x4.splat(load<f32>(state + State.MIN));
  let most = f32x4.splat(load<f32>(state + State.MAX));
  least = f32x4.replace_lane(least, 1, load<f32>(state + stateBytes + State.MIN));
  least = f32x4.replace_lane(least, 2, load<f32>(state + 2 * stateBytes + State.MIN));
  least = f32x4.replace_lane(least, 3, load<f32>(state + 3 * stateBytes + State.MIN));
  most = f32x4.replace_lane(most, 1, load<f32>(state + stateBytes + State.MAX));
  most = f32x4.replace_lane(most, 2, load<f32>(state + 2 * stateBytes + State.MAX));
  most = f32x4.replace_lane(most, 3, load<f32>(state + 3 * stateBytes + State.MAX));
  for (let i = 0; i < n; i++, x += rowBytes) {
    const value = v128.load(x);
    least = f32x4.pmin(least, value);
    most = f32x4.pmax(most, value);
  }
  store<f32>(state + State.MIN, f32x4.extract_lane(least, 0));
  store<f32>(state + stateBytes + State.MIN, f32x4.extract_lane(least, 1));
  store<f32>(state + 2 * stateBytes + State.MIN, f32x4.extract_lane(least, 2));
  store<f32>(state + 3 * stateBytes + State.MIN, f32x4.extract_lane(least, 3));
  store<f32>(state + State.MAX, f32x4.extract_lane(most, 0));
  store<f32>(state + stateBytes + State.MAX, f32x4.extract_lane(most, 1));
  store<f32>(state + 2 * stateBytes + State.MAX, f32x4.extract_lane(most, 2));
  store<f32>(state + 3 * stateBytes + State.MAX, f32x4.extract_lane(most, 3));
}

/** Distances to the keys, and what scores make up of the attention logits, Σ score·sign(logit) and Σ |logit|. */
function addKeys(
  n: i32, x: usize, keys: usize, logits: usize, rowBytes: usize, row: usize, unit: f64, state: usize,
): void {
  let distance = load<f64>(state + State.DISTANCE);
  let shareHigh = load<f64>(state + State.SHARE), shareLow = load<f64>(state + State.SHARE + 8);
  let logitHigh = load<f64>(state + State.LOGIT), logitLow = load<f64>(state + State.LOGIT + 8);
  const high = unit * ROUNDING;
  const low = high * STEP;
  const LOGIT_HIGH = 1048576.0 * ROUNDING, LOGIT_LOW = LOGIT_HIGH * STEP;
  for (let i = 0; i < n; i++, x += rowBytes, keys += rowBytes, logits += rowBytes, row += Row.BYTES) {
    distance += <f64>(load<i32>(row, Row.POSITION) - load<i32>(keys));
    const logit = <f64>load<f32>(logits);
    const share = logit < 0 ? -<f64>load<f32>(x) : <f64>load<f32>(x);
    const coarse = (share + high) - high;
    shareHigh += coarse;
    shareLow += (share - coarse + low) - low;
    const size = Math.abs(logit);
    const coarseSize = (size + LOGIT_HIGH) - LOGIT_HIGH;
    logitHigh += coarseSize;
    logitLow += (size - coarseSize + LOGIT_LOW) - LOGIT_LOW;
  }
  store<f64>(state + State.DISTANCE, distance);
  store<f64>(state + State.SHARE, shareHigh);
  store<f64>(state + State.SHARE + 8, shareLow);
  store<f64>(state + State.LOGIT, logitHigh);
  store<f64>(state + State.LOGIT + 8, logitLow);
}

/** Looks through rows [start, start + count) of four directions for values that belong into a list of examples. */
function findExamples(
  start: i32, count: i32, c: i32, x: usize, rowBytes: usize, state: usize, stateBytes: usize, listBytes: usize,
  context: i32, descriptions: usize, tokens: usize, keys: usize, logits: usize,
): void {
  // The last slot of each list holds the value to beat; the lists lie one behind the other.
  const last = listBytes - (<usize>Slot.CONTEXT + 8 * (<usize>context));
  const top = state + State.EXAMPLES + last;
  const bottom = top + listBytes;
  let most = gather(top, stateBytes), least = gather(bottom, stateBytes);
  let place = at<f32>(x, c) + (<usize>start) * rowBytes;
  for (let row = start; row < start + count; row++, place += rowBytes) {
    const value = v128.load(place);
    if (!v128.any_true(v128.or(f32x4.ge(value, most), f32x4.le(value, least)))) continue;
    for (let lane = 0; lane < 4; lane++) {
      const own = state + (<usize>lane) * stateBytes + State.EXAMPLES;
      const number = load<f32>(at<f32>(place, lane));
      if (number >= load<f32>(own + last)) {
        offer(own, listBytes, false, row, c + lane, x, rowBytes, context, descriptions, tokens, keys, logits);
      }
      if (number <= load<f32>(own + listBytes + last)) {
        offer(
          own + listBytes, listBytes, true, row, c + lane, x, rowBytes, context, descriptions, tokens, keys, logits,
        );
      }
    }
    most = gather(top, stateBytes);
    least = gather(bottom, stateBytes);
  }
}

// @ts-ignore: decorator
@inline
function gather(slot: usize, stateBytes: usize): v128 {
  let values = f32x4.splat(load<f32>(slot));
  values = f32x4.replace_lane(values, 1, load<f32>(slot + stateBytes));
  values = f32x4.replace_lane(values, 2, load<f32>(slot + 2 * stateBytes));
  return f32x4.replace_lane(values, 3, load<f32>(slot + 3 * stateBytes));
}

/**
 * Puts a value into a list if it belongs there. A list is sorted, strongest first (`lowest`: smallest first), and
 * holds a prompt at most once; of equals the earlier prompt goes first, then the earlier position.
 */
function offer(
  list: usize, listBytes: usize, lowest: bool, row: i32, column: i32, x: usize, rowBytes: usize, context: i32,
  descriptions: usize, tokens: usize, keys: usize, logits: usize,
): void {
  const slotBytes = <usize>Slot.CONTEXT + 8 * (<usize>context);
  const place = at<f32>(x, column) + (<usize>row) * rowBytes;
  const value = load<f32>(place);
  const description = descriptions + (<usize>row) * Row.BYTES;
  const prompt = load<u32>(description, Row.PROMPT), position = load<i32>(description, Row.POSITION);
  const end = list + listBytes;
  // The place that becomes free: that of the same prompt, or else the last one.
  let free = end - slotBytes;
  for (let slot = list; slot < end; slot += slotBytes) {
    if (load<u32>(slot, Slot.PROMPT) == prompt) {
      free = slot;
      break;
    }
  }
  if (!goesBefore(value, prompt, position, free, lowest)) return;
  let slot = free;
  while (slot > list && goesBefore(value, prompt, position, slot - slotBytes, lowest)) slot -= slotBytes;
  memory.copy(slot + slotBytes, slot, free - slot);
  store<f32>(slot, value, Slot.VALUE);
  store<u32>(slot, prompt, Slot.PROMPT);
  store<i32>(slot, position, Slot.POSITION);
  const shift = place - x;
  store<i32>(slot, keys != 0 ? load<i32>(keys + shift) : -1, Slot.KEY);
  store<f32>(slot, logits != 0 ? load<f32>(logits + shift) : 0, Slot.LOGIT);
  const token = at<i32>(tokens, load<i32>(description, Row.TOKEN));
  const before = load<i32>(description, Row.BEFORE), scored = load<i32>(description, Row.SCORED);
  for (let back = 0; back < context; back++) {
    const ids = at<i32>(slot + Slot.CONTEXT, context - 1 - back);
    store<i32>(ids, back <= before ? load<i32>(token - at<i32>(0, back)) : -1);
    const values = at<f32>(slot + Slot.CONTEXT, 2 * context - 1 - back);
    store<f32>(values, back <= scored ? load<f32>(place - (<usize>back) * rowBytes) : f32.NaN);
  }
}

// @ts-ignore: decorator
@inline
function goesBefore(value: f32, prompt: u32, position: i32, slot: usize, lowest: bool): bool {
  const other = load<u32>(slot, Slot.PROMPT);
  if (other == EMPTY) return true;
  const theirs = load<f32>(slot, Slot.VALUE);
  if (value != theirs) return lowest ? value < theirs : value > theirs;
  if (prompt != other) return prompt < other;
  return position < load<i32>(slot, Slot.POSITION);
}
