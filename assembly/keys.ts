/**
 * The strongest key of each query: the earlier position whose score by a direction is largest in magnitude. A
 * score is a query factor times a key factor, so the strongest key is the one with the largest key factor.
 */
import { at } from './arrays';
import { Passage } from './layout';

/**
 * For queries at columns [from, to), in order: finds the strongest key of each row, by direction, among the columns up
 * to the query's own; turns query factors into scores on it, and notes its position and the attention logit there.
 * `x` [rows, cols] holds query factors and gets scores; `keys` and `logits` are [rows, cols]; `factors` [columns, batch,
 * cols] are the key factors; `cols` is a multiple of four. `best` and `bestKey` [batch, cols], `memo` and `seen`
 * [columns] are room. The logit, query · key, is computed once for each key that is some direction's strongest: `memo`
 * holds it. `rates` is zero, or one more factor on the scores of each row. `queries` [rows] and `keyRows` [columns,
 * batch] begin at the head, `width` wide; strides are numbers of floats between rows.
 */
export function strongestKeys(
  from: i32, to: i32, batch: i32, cols: i32, factors: usize, passages: usize, best: usize, bestKey: usize, x: usize,
  scale: f32, rates: usize, rateStride: i32, width: i32, queries: usize, queryStride: i32, keyRows: usize,
  keyStride: i32, keys: usize, logits: usize, memo: usize, seen: usize,
): void {
  reset(batch, cols, passages, best, bestKey);
  let scanned = 0;
  for (let column = from; column < to; column++) {
    scan(scanned, column + 1, batch, cols, factors, passages, best, bestKey);
    scanned = column + 1;
    settle(
      column, batch, cols, passages, best, bestKey, x, scale, rates, rateStride, width, queries, queryStride, keyRows,
      keyStride, keys, logits, memo, seen,
    );
  }
}

/**
 * Brings columns [from, to) of key factors into `best` and `bestKey`, [batch, cols] each; of equals the earlier
 * stays. `factors` is [columns, batch, cols]; `cols` is a multiple of four.
 */
function scan(
  from: i32, to: i32, batch: i32, cols: i32, factors: usize, passages: usize, best: usize, bestKey: usize,
): void {
  const rowBytes = at<f32>(0, cols);
  for (let j = from; j < to; j++) {
    const key = i32x4.splat(j);
    for (let b = 0; b < batch; b++) {
      if (j < load<i32>(passages + (<usize>b) * Passage.BYTES, Passage.FIRST)) continue;
      const source = factors + (<usize>(j * batch + b)) * rowBytes;
      const shift = (<usize>b) * rowBytes;
      for (let c: usize = 0; c < rowBytes; c += 16) {
        const factor = v128.load(source + c);
        const target = best + shift + c;
        const held = v128.load(target);
        const stronger = f32x4.gt(f32x4.abs(factor), f32x4.abs(held));
        v128.store(target, v128.bitselect(factor, held, stronger));
        const keys = bestKey + shift + c;
        v128.store(keys, v128.bitselect(key, v128.load(keys), stronger));
      }
    }
  }
}

/** Forgets the best keys before the first column of a new scan. */
function reset(batch: i32, cols: i32, passages: usize, best: usize, bestKey: usize): void {
  for (let b = 0; b < batch; b++) {
    const first = load<i32>(passages + (<usize>b) * Passage.BYTES, Passage.FIRST);
    for (let c = 0; c < cols; c++) {
      store<f32>(at<f32>(best, b * cols + c), 0);
      store<i32>(at<i32>(bestKey, b * cols + c), first);
    }
  }
}

/** Turns the query factors of all rows at a column into scores, and notes key positions and attention logits. */
function settle(
  column: i32, batch: i32, cols: i32, passages: usize, best: usize, bestKey: usize, x: usize, scale: f32, rates: usize,
  rateStride: i32, width: i32, queries: usize, queryStride: i32, keyRows: usize, keyStride: i32, keys: usize,
  logits: usize, memo: usize, seen: usize,
): void {
  const rowBytes = at<f32>(0, cols);
  for (let b = 0; b < batch; b++) {
    const passage = passages + (<usize>b) * Passage.BYTES;
    const scored = load<i32>(passage, Passage.SCORED);
    if (column < scored) continue;
    const row = load<i32>(passage, Passage.ROW) + column - scored;
    const shift = load<i32>(passage, Passage.SHIFT);
    const query = at<f32>(queries, row * queryStride);
    const factor = rates != 0 ? scale * load<f32>(at<f32>(rates, row * rateStride)) : scale;
    const place = (<usize>row) * rowBytes;
    memory.fill(seen, 0, at<i32>(0, column + 1));
    for (let c = 0; c < cols; c++) {
      const key = load<i32>(at<i32>(bestKey, b * cols + c));
      const target = at<f32>(x + place, c);
      store<f32>(target, load<f32>(target) * load<f32>(at<f32>(best, b * cols + c)) * factor);
      store<i32>(at<i32>(keys + place, c), key + shift);
      if (load<i32>(at<i32>(seen, key)) == 0) {
        store<i32>(at<i32>(seen, key), 1);
        store<f32>(at<f32>(memo, key), dot(width, query, at<f32>(keyRows, (key * batch + b) * keyStride)) * scale);
      }
      store<f32>(at<f32>(logits + place, c), load<f32>(at<f32>(memo, key)));
    }
  }
}

function dot(n: i32, x: usize, y: usize): f32 {
  let sums = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, y += 16) sums = f32x4.add(sums, f32x4.mul(v128.load(x), v128.load(y)));
  let sum = f32x4.extract_lane(sums, 0) + f32x4.extract_lane(sums, 1);
  sum += f32x4.extract_lane(sums, 2) + f32x4.extract_lane(sums, 3);
  for (; i < n; i++, x += 4, y += 4) sum += load<f32>(x) * load<f32>(y);
  return sum;
}
