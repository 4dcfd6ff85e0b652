/**
 * The strongest key of each query: the earlier position whose score by a direction is largest in magnitude. A
 * score is a query factor times a key factor, so the strongest key is the one with the largest key factor.
 */
import { at } from './arrays';

/** What is known of a prompt: first column with a token, first column that is scored, its first row, shift to positions. */
const PROMPT_BYTES: usize = 16;

/**
 * Brings columns [from, to) of key factors into `best` and `bestKey`, [batch, cols] each; of equals the earlier
 * stays. `factors` is [columns, batch, cols]; `cols` is a multiple of four.
 */
export function scanKeys(
  from: i32, to: i32, batch: i32, cols: i32, factors: usize, prompts: usize, best: usize, bestKey: usize,
): void {
  const rowBytes = at<f32>(0, cols);
  for (let j = from; j < to; j++) {
    const key = i32x4.splat(j);
    for (let b = 0; b < batch; b++) {
      if (j < load<i32>(prompts + (<usize>b) * PROMPT_BYTES)) continue;
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
export function resetKeys(batch: i32, cols: i32, prompts: usize, best: usize, bestKey: usize): void {
  for (let b = 0; b < batch; b++) {
    const first = load<i32>(prompts + (<usize>b) * PROMPT_BYTES);
    for (let c = 0; c < cols; c++) {
      store<f32>(at<f32>(best, b * cols + c), 0);
      store<i32>(at<i32>(bestKey, b * cols + c), first);
    }
  }
}

/**
 * Turns the query factors of all rows at column t into scores, and notes key positions and attention logits.
 * `x` [rows, cols] holds query factors and gets scores; `keys` and `logits` are [rows, cols]. q·k is computed once
 * for each key that is some direction's strongest: `memo` [columns] and `seen` [columns] are room for that. `rates`
 * is zero, or one more factor on the scores of each row, `rateRow` floats apart.
 * Numbers of floats: `width` of a head, `qRow` between rows of q, `kRow` between rows of k [columns, batch].
 */
export function settleKeys(
  t: i32, batch: i32, cols: i32, scale: f32, rates: usize, rateRow: i32, x: usize, best: usize, bestKey: usize, prompts: usize,
  width: i32, q: usize, qRow: i32, k: usize, kRow: i32, keys: usize, logits: usize, memo: usize, seen: usize,
): void {
  const rowBytes = at<f32>(0, cols);
  for (let b = 0; b < batch; b++) {
    const prompt = prompts + (<usize>b) * PROMPT_BYTES;
    const first = load<i32>(prompt, 4);
    if (t < first) continue;
    const row = load<i32>(prompt, 8) + t - first;
    const shift = load<i32>(prompt, 12);
    const query = at<f32>(q, row * qRow);
    const factor = rates != 0 ? scale * load<f32>(at<f32>(rates, row * rateRow)) : scale;
    const place = (<usize>row) * rowBytes;
    memory.fill(seen, 0, at<i32>(0, t + 1));
    for (let c = 0; c < cols; c++) {
      const key = load<i32>(at<i32>(bestKey, b * cols + c));
      const target = at<f32>(x + place, c);
      store<f32>(target, load<f32>(target) * load<f32>(at<f32>(best, b * cols + c)) * factor);
      store<i32>(at<i32>(keys + place, c), key + shift);
      if (load<i32>(at<i32>(seen, key)) == 0) {
        store<i32>(at<i32>(seen, key), 1);
        store<f32>(at<f32>(memo, key), dot(width, query, at<f32>(k, (key * batch + b) * kRow)) * scale);
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
