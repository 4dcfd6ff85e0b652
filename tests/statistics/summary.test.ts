import { expect, it } from 'vitest';
import { Random } from '../../src/random.js';
import { bootstrapIntervals } from '../../src/statistics/bootstrap.js';
import { mean, quantile, standardDeviation } from '../../src/statistics/summary.js';

it('leaves missing values out', () => {
  expect(mean([1, Number.NaN, 3])).toBe(2);
  expect(mean([Number.NaN])).toBeNull();
  expect(standardDeviation([1, Number.NaN, 3])).toBeCloseTo(Math.SQRT2, 12);
  expect(standardDeviation([1])).toBeNull();
});

it('interpolates quantiles', () => {
  expect(quantile([0, 10], 0.25)).toBe(2.5);
  expect(quantile([7], 0.9)).toBe(7);
});

it('gives intervals as wide as the standard error says', () => {
  const random = new Random(1);
  const values = Array.from({ length: 400 }, () => random.normal());
  const settings = { level: 0.95, resamples: 2000, seed: 3 };
  const [low, high] = bootstrapIntervals({ x: values }, settings).x!;
  const error = standardDeviation(values)! / Math.sqrt(values.length);
  expect(low).toBeCloseTo(mean(values)! - 1.96 * error, 1);
  expect((high - low) / (2 * 1.96 * error)).toBeGreaterThan(0.9);
  expect((high - low) / (2 * 1.96 * error)).toBeLessThan(1.1);
  expect(bootstrapIntervals({ x: values }, settings).x).toEqual([low, high]);
});

it('has no interval for a column without values', () => {
  const settings = { level: 0.95, resamples: 10, seed: 0 };
  expect(bootstrapIntervals({ x: [1, 2], y: [Number.NaN, Number.NaN] }, settings).y).toBeNull();
});
