import { expect, it } from 'vitest';
import { denominatorOf, faithfulnessInterval, isToldFromZero } from '../../src/evaluate/faithfulness.js';
import { Random } from '../../src/random.js';

const settings = { level: 0.95, resamples: 2000, seed: 3 };

const scores = (circuit: number[], full: number[], none: number[]) => ({
  logit_diff: Float64Array.from(circuit),
  full_logit_diff: Float64Array.from(full),
  none_logit_diff: Float64Array.from(none),
});

it('has an interval as wide as the delta method says, prompts without a logit difference left out', () => {
  const random = new Random(1);
  const n = 400;
  const full = Array.from({ length: n }, (_, i) => (i === 7 ? Number.NaN : 5 + random.normal()));
  const circuit = full.map((value) => 0.8 * value + random.normal());
  const none = full.map((value) => 0 * value);
  const [low, high] = faithfulnessInterval(scores(circuit, full, none), settings);
  // The residual circuit − f·full has deviation 1: 1.96 / (5 √400) = 0.0196 either side.
  expect(high - low).toBeGreaterThan(0.033);
  expect(high - low).toBeLessThan(0.046);
  expect(low).toBeLessThan(0.8);
  expect(high).toBeGreaterThan(0.8);
});

it('counts prompts whose denominator is below a tenth of its mean', () => {
  const denominator = denominatorOf(scores([], [4, 4, 4, 0.2, -0.2], [0, 0, 0, 0, 0]), settings)!;
  expect(denominator.mean).toBeCloseTo(2.4, 12);
  expect(denominator.near_zero).toBe(2);
  expect(isToldFromZero(denominator)).toBe(true);
});

it('is no figure where the denominator cannot be told from 0, or there is none', () => {
  expect(isToldFromZero(denominatorOf(scores([], [1, -1, 1, -1], [0, 0, 0, 0]), settings))).toBe(false);
  expect(denominatorOf(scores([], [Number.NaN], [Number.NaN]), settings)).toBeNull();
  expect(isToldFromZero(null)).toBe(false);
});
