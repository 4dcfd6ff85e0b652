/** Bootstrap intervals (Efron 1979): how far a figure would move if other prompts had been drawn. */
import { Random } from '../random.js';
import { normalQuantile, upperTail } from './normal.js';
import { mean, quantile } from './summary.js';

export interface BootstrapSettings {
  /** Coverage, e.g. 0.95. */
  level: number;
  resamples: number;
  seed: number;
}

/**
 * Percentile bootstrap intervals of means over prompts (Efron 1979). All columns are resampled together.
 * @param columns equally long arrays, a value a prompt
 * @returns [low, high] a column, null for columns without values
 */
export function bootstrapIntervals<Name extends string>(
  columns: Record<Name, ArrayLike<number>>,
  { level, resamples, seed }: BootstrapSettings,
): Record<Name, [number, number] | null> {
  const names = Object.keys(columns) as Name[];
  const n = columns[names[0]!]!.length;
  const random = new Random(seed).fork('bootstrap');
  const means = names.map(() => new Float64Array(resamples));
  const drawn = new Int32Array(n);
  for (let resample = 0; resample < resamples; resample++) {
    for (let i = 0; i < n; i++) drawn[i] = random.integer(n);
    names.forEach((name, at) => {
      let total = 0;
      let present = 0;
      for (const index of drawn) {
        const value = columns[name]![index]!;
        if (Number.isNaN(value)) continue;
        total += value;
        present++;
      }
      means[at]![resample] = total / present;
    });
  }
  const tail = (1 - level) / 2;
  return Object.fromEntries(
    names.map((name, at) => {
      const sorted = means[at]!.filter((value) => !Number.isNaN(value)).sort();
      return [name, sorted.length === 0 ? null : [quantile(sorted, tail), quantile(sorted, 1 - tail)]];
    }),
  ) as Record<Name, [number, number] | null>;
}

export type Interval = [low: number, high: number];

/**
 * Intervals of any statistic of items that are drawn together, such as a ratio of two means over the same prompts.
 * @param n number of items
 * @param statistic of the items with these indices, of which some may come several times
 * @returns both intervals: the plain percentiles, and those corrected for bias and skewness (see {@link corrected})
 */
export function bootstrap(
  n: number,
  statistic: (indices: ArrayLike<number>) => number,
  { level, resamples, seed }: BootstrapSettings,
): { percentile: Interval; corrected: Interval } {
  const distribution = resampled(n, statistic, { resamples, seed });
  const all = Int32Array.from({ length: n }, (_, i) => i);
  const without = Float64Array.from(all, (left) => statistic(all.filter((i) => i !== left)));
  return {
    percentile: percentiles(distribution, level),
    corrected: corrected(distribution, statistic(all), without, level),
  };
}

/** Values of a statistic of items that are drawn together, ascending. */
export function resampled(
  n: number,
  statistic: (indices: ArrayLike<number>) => number,
  { resamples, seed }: Omit<BootstrapSettings, 'level'>,
): Float64Array {
  const random = new Random(seed).fork('bootstrap');
  const indices = new Int32Array(n);
  return Float64Array.from({ length: resamples }, () =>
    statistic(indices.map(() => random.integer(n))),
  ).sort();
}

/**
 * A ratio of two means over the same items, mean(numerators) / mean(denominators), and its intervals. It is not the
 * mean of the ratios, which a few denominators near 0 decide.
 */
export function ratioOfMeans(
  numerators: ArrayLike<number>,
  denominators: ArrayLike<number>,
  settings: BootstrapSettings,
): { ratio: number; percentile: Interval; corrected: Interval } {
  const sum = (values: ArrayLike<number>, indices: ArrayLike<number>) => {
    let total = 0;
    for (let i = 0; i < indices.length; i++) total += values[indices[i]!]!;
    return total;
  };
  const statistic = (indices: ArrayLike<number>) => sum(numerators, indices) / sum(denominators, indices);
  const n = numerators.length;
  return { ratio: statistic(Array.from({ length: n }, (_, i) => i)), ...bootstrap(n, statistic, settings) };
}

/** @param distribution ascending */
export function percentiles(distribution: ArrayLike<number>, level: number): Interval {
  const tail = (1 - level) / 2;
  return [quantile(distribution, tail), quantile(distribution, 1 - tail)];
}

/**
 * The bias-corrected and accelerated interval (B. Efron, "Better bootstrap confidence intervals", 1987): percentiles
 * at levels that are shifted by how far the distribution's median is from the observed value, and by its skewness.
 * @param distribution ascending
 * @param without the statistic with each item left out in turn
 */
export function corrected(
  distribution: ArrayLike<number>,
  observed: number,
  without: ArrayLike<number>,
  level: number,
): Interval {
  const resamples = Array.from(distribution);
  const share = (counts: (value: number) => boolean) => resamples.filter(counts).length / resamples.length;
  const bias = normalQuantile((share((value) => value < observed) + share((value) => value <= observed)) / 2);
  const centre = mean(without)!;
  const power = (exponent: number) =>
    Array.from(without).reduce((sum, value) => sum + (centre - value) ** exponent, 0);
  const spread = power(2);
  // Nothing varies, or all resamples lie on one side: there is nothing to correct by.
  if (spread === 0 || !Number.isFinite(bias)) return percentiles(distribution, level);
  const acceleration = power(3) / (6 * spread ** 1.5);
  const shifted = (tail: number) => {
    const z = bias + normalQuantile(tail);
    return quantile(distribution, 1 - upperTail(bias + z / (1 - acceleration * z)));
  };
  return [shifted((1 - level) / 2), shifted((1 + level) / 2)];
}
