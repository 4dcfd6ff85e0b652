/** Whether heads, and single OV directions, write the token that they read (docs/reading.md, "Names of heads"). */

import * as tf from '@tensorflow/tfjs-core';
import { augmentedHead } from '../decompose/factors.js';
import { toTensor } from '../engine/tensor.js';
import { heed } from '../heed.js';
import { kvHeadOf } from '../models/architecture.js';
import type { LayerWeights } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { Direction } from './coefficients.js';
import type { TakenApart } from './taken-apart.js';
import { logitColumns, normalised } from './token-matrices.js';

/** A token counts as raised if it is among so many raised most. */
const AMONG = 5;

export interface Copying {
  /** Share of the tokens that the head, looking at nothing else, raises among the {@link AMONG} most. */
  copying: number;
  /** Share of those that it lowers likewise. */
  anti: number;
}

/**
 * @param tokens ids
 * @param embedding [nVocab, dModel], what stands for each token
 * @returns heads, layer after layer; and of each direction the correlation, over the tokens, of its coefficient and what
 * it writes to the token's own logit for each unit of it: 1 copies, −1 is its opposite
 */
export async function copyingOf(
  { model, decomposition, ends }: Pick<TakenApart, 'model' | 'decomposition' | 'ends'>,
  tokens: readonly number[],
  embedding: Float32Array,
  directions: readonly Direction[],
  { onProgress, signal }: LongCall = {},
): Promise<{ heads: Copying[]; directions: number[] }> {
  const { architecture } = model;
  const { dModel: d, nVocab, nHeads, nLayers } = architecture;
  const columns = logitColumns(ends, architecture);
  const unembed = toTensor(columns, [d, nVocab]) as tf.Tensor2D;
  const read = tokens.map((id) => normalised(embedding.subarray(id * d, (id + 1) * d), architecture));
  const heads: Copying[] = [];
  const correlations = new Map<Direction, number>();
  for (let layer = 0; layer < nLayers; layer++) {
    await heed(signal);
    const weights = await model.layer(layer);
    for (let head = 0; head < nHeads; head++) {
      const written = writtenBy(head, weights, read, architecture);
      const [rows, logits] = tf.tidy(() => {
        const left = toTensor(written, [tokens.length, d]) as tf.Tensor2D;
        return [left, tf.matMul(left, unembed)];
      });
      const values = (await logits!.data()) as Float32Array;
      tf.dispose([rows!, logits!]);
      const share = (sign: 1 | -1) =>
        tokens.filter((id, at) => isAmong(values.subarray(at * nVocab, (at + 1) * nVocab), id, sign)).length /
        tokens.length;
      heads.push({ copying: share(1), anti: share(-1) });
    }
    const own = directions.filter(({ component }) => component.layer === layer);
    const names = [...new Set(own.map(({ component }) => component.name))];
    const decomposed = names.length > 0 ? await decomposition.layer(layer, names) : null;
    for (const direction of own) {
      const { u, vt } = decomposed!.get(direction.component.name)!;
      const { rows, rank } = direction.component;
      const k = direction.index;
      const bias = rows - d;
      const coefficients = read.map((x) => {
        let y = bias ? u[k]! : 0;
        for (let i = 0; i < d; i++) y += x[i]! * u[(bias + i) * rank + k]!;
        return y;
      });
      const logits = tokens.map((id) => {
        let logit = 0;
        for (let i = 0; i < d; i++) logit += vt[k * d + i]! * columns[i * nVocab + id]!;
        return logit;
      });
      correlations.set(direction, correlation(coefficients, logits));
    }
    onProgress?.({ stage: 'copying', done: layer + 1, total: nLayers });
  }
  unembed.dispose();
  return { heads, directions: directions.map((direction) => correlations.get(direction)!) };
}

/** What a head writes of each row when it looks at nothing else, its output's bias left out, [rows, dModel]. */
function writtenBy(
  head: number,
  { v, o }: LayerWeights,
  rows: readonly Float32Array[],
  architecture: TakenApart['model']['architecture'],
): Float32Array {
  const { dHead, dModel: d } = architecture;
  const value = augmentedHead(v, kvHeadOf(head, architecture), dHead);
  const bias = value.length / dHead - d;
  const out = new Float32Array(rows.length * d);
  rows.forEach((x, at) => {
    const z = Float64Array.from({ length: dHead }, (_, c) => (bias ? value[c]! : 0));
    for (let i = 0; i < d; i++)
      for (let c = 0; c < dHead; c++) z[c]! += x[i]! * value[(bias + i) * dHead + c]!;
    for (let c = 0; c < dHead; c++)
      for (let i = 0; i < d; i++) out[at * d + i]! += z[c]! * o.weight[(head * dHead + c) * d + i]!;
  });
  return out;
}

/** Whether fewer than {@link AMONG} others are above it (sign 1) or below (−1). */
function isAmong(values: Float32Array, id: number, sign: 1 | -1): boolean {
  let above = 0;
  for (let other = 0; other < values.length && above < AMONG; other++)
    if (sign * values[other]! > sign * values[id]!) above++;
  return above < AMONG;
}

/** Pearson's; 0 where one of them does not vary. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = (values: readonly number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const product = (p: number[], q: number[]) => p.reduce((sum, value, i) => sum + value * q[i]!, 0);
  const scale = Math.sqrt(product(x, x) * product(y, y));
  return scale > 0 ? product(x, y) / scale : 0;
}
