/** Golden figures of masked models (../shared/golden): prompt pairs, masks and gradients as their files give them. */
import { expect } from 'vitest';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { objective } from '../../src/masks/objective.js';
import type { PreparedPairs } from '../../src/pairs/prepared-pairs.js';

/** Price of a mask in the files' losses. */
const L1_WEIGHT = 1.95e-4;

export interface GoldenPrompts {
  clean: number[][];
  clean_lengths: number[];
  corrupted: number[][];
  corrupted_lengths: number[];
}

export interface MaskPoint {
  kl: number;
  l1: number;
  loss: number;
  mask_logits: Record<string, number[]>;
  gradient: Record<string, number[]>;
}

export function goldenPairs(golden: GoldenPrompts): TokenPair[] {
  return golden.clean.map((ids, i) => ({
    id: String(i),
    clean: Int32Array.from(ids.slice(0, golden.clean_lengths[i])),
    corrupted: Int32Array.from(golden.corrupted[i]!.slice(0, golden.corrupted_lengths[i])),
    answers: new Int32Array(0),
    distractors: new Int32Array(0),
  }));
}

/** The flat mask vector of a point. */
export function masksAt({ model: { layout } }: PreparedPairs, point: MaskPoint): Float32Array {
  const masks = new Float32Array(layout.size);
  for (const [name, view] of layout.split(masks)) view.set(point.mask_logits[name]!.map(sigmoid));
  return masks;
}

/** KL, loss and the gradient by every mask logit, computed so many tokens at a time. */
export async function expectLossAndGradient(
  prepared: PreparedPairs,
  point: MaskPoint,
  tokens: number,
): Promise<void> {
  const masks = masksAt(prepared, point);
  const all = prepared.pairs.map((_, index) => index);
  const { kl, gradient } = await objective(prepared, all, masks, 'kl', tokens);
  const l1 = masks.reduce((sum, mask) => sum + mask, 0);
  expect(Math.abs(kl - point.kl)).toBeLessThan(1e-3 * point.kl + 2e-6);
  expect(Math.abs(kl + L1_WEIGHT * l1 - point.loss)).toBeLessThan(1e-3 * point.loss + 2e-6);
  for (const [name, own] of prepared.model.layout.split(gradient)) {
    const wanted = point.gradient[name]!;
    const largest = Math.max(...wanted.map(Math.abs));
    wanted.forEach((value, k) => {
      const m = sigmoid(point.mask_logits[name]![k]!);
      const byLogit = (own[k]! + L1_WEIGHT) * m * (1 - m);
      expect(Math.abs(byLogit - value), `${name}.${k}`).toBeLessThan(2e-3 * largest);
    });
  }
}

export function logSoftmax(rows: number[][]): number[][] {
  return rows.map((row) => {
    const top = Math.max(...row);
    const normaliser = top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
    return row.map((value) => value - normaliser);
  });
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
