/**
 * Attention of all heads on all prompts, where queries, keys and values lie as products leave them or with heads apart.
 * Each head of keys serves as many of queries as follow each other.
 */
import { mark, release } from './arena';
import { at, create } from './arrays';
import { ADD, SET, gemm } from './gemm';
import { softmax, softmaxPull } from './rows';

/**
 * weights [heads, batch, queries, keys] ← softmax(scale·q·kᵀ + bias), z [batch·queries, heads·depth] ← weights·v.
 * @param biases 1, or as many as prompts: of [queries, keys] each
 * @param qApart whether it is [heads, batch, positions, width], else [batch·positions, heads·width]; k and v likewise
 */
export function attend(
  batch: i32, heads: i32, shared: i32, queries: i32, keys: i32, width: i32, depth: i32, scale: f32, biases: i32,
  q: usize, qApart: i32, k: usize, kApart: i32, v: usize, vApart: i32, bias: usize, weights: usize, z: usize,
): void {
  const group = heads / shared, size = queries * keys;
  const qRow = rowOf(qApart, heads, width), kRow = rowOf(kApart, shared, width), vRow = rowOf(vApart, shared, depth);
  for (let prompt = 0; prompt < batch; prompt++) {
    const own = biases == 1 ? bias : at<f32>(bias, prompt * size);
    for (let head = 0; head < heads; head++) {
      const ofQ = headOf(q, qApart, batch, heads, queries, width, prompt, head);
      const ofK = headOf(k, kApart, batch, shared, keys, width, prompt, head / group);
      const ofV = headOf(v, vApart, batch, shared, keys, depth, prompt, head / group);
      const ofZ = headOf(z, 0, batch, heads, queries, depth, prompt, head);
      const pattern = at<f32>(weights, (head * batch + prompt) * size);
      gemm<f32>(SET, false, queries, keys, width, ofQ, qRow, 1, ofK, 1, kRow, pattern, keys);
      softmax(queries, keys, queries, scale, pattern, own, pattern);
      gemm<f32>(SET, false, queries, depth, keys, pattern, keys, 1, ofV, vRow, 1, ofZ, heads * depth);
    }
  }
}

/** The pullback of `attend`: dq, and unless dk is 0 dk and dv, which lie as what they are the gradients by. */
export function attendPull(
  batch: i32, heads: i32, shared: i32, queries: i32, keys: i32, width: i32, depth: i32, scale: f32,
  dz: usize, q: usize, qApart: i32, k: usize, kApart: i32, v: usize, vApart: i32, weights: usize,
  dq: usize, dk: usize, dv: usize,
): void {
  const height = mark();
  const group = heads / shared, size = queries * keys;
  const qRow = rowOf(qApart, heads, width), kRow = rowOf(kApart, shared, width), vRow = rowOf(vApart, shared, depth);
  const zRow = heads * depth;
  const dScores = create<f32>(size);
  for (let prompt = 0; prompt < batch; prompt++) {
    for (let head = 0; head < heads; head++) {
      const ofZ = headOf(dz, 0, batch, heads, queries, depth, prompt, head);
      const ofQ = headOf(0, qApart, batch, heads, queries, width, prompt, head);
      const ofK = headOf(0, kApart, batch, shared, keys, width, prompt, head / group);
      const ofV = headOf(0, vApart, batch, shared, keys, depth, prompt, head / group);
      const pattern = at<f32>(weights, (head * batch + prompt) * size);
      gemm<f32>(SET, false, queries, keys, depth, ofZ, zRow, 1, v + ofV, 1, vRow, dScores, keys);
      softmaxPull(queries, keys, scale, dScores, pattern, dScores);
      gemm<f32>(SET, false, queries, width, keys, dScores, keys, 1, k + ofK, kRow, 1, dq + ofQ, qRow);
      if (!dk) continue;
      const mode = head % group == 0 ? SET : ADD;
      gemm<f32>(mode, false, keys, width, queries, dScores, 1, keys, q + ofQ, qRow, 1, dk + ofK, kRow);
      gemm<f32>(mode, false, keys, depth, queries, pattern, 1, keys, ofZ, zRow, 1, dv + ofV, vRow);
    }
  }
  release(height);
}

/** From a head's row to its next. */
// @ts-ignore: decorator
@inline
function rowOf(apart: i32, heads: i32, width: i32): i32 {
  return apart ? width : heads * width;
}

/** Where a head's rows on a prompt begin. */
// @ts-ignore: decorator
@inline
function headOf(
  tensor: usize, apart: i32, batch: i32, heads: i32, positions: i32, width: i32, prompt: i32, head: i32,
): usize {
  return apart
    ? at<f32>(tensor, (head * batch + prompt) * positions * width)
    : at<f32>(tensor, (prompt * positions * heads + head) * width);
}
