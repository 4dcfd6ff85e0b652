/** Means with their normal intervals. */
import { normalQuantile } from '../statistics/normal.js';
import { mean, standardDeviation } from '../statistics/summary.js';

/** A mean and its normal interval; `low` and `high` are null for one value. */
export interface Mean {
  n: number;
  mean: number;
  low: number | null;
  high: number | null;
}

/** @param values at least one */
export function meanOf(values: readonly number[], level: number): Mean {
  const centre = mean(values)!;
  const deviation = standardDeviation(values);
  if (deviation === null) return { n: values.length, mean: centre, low: null, high: null };
  const reach = (normalQuantile((1 + level) / 2) * deviation) / Math.sqrt(values.length);
  return { n: values.length, mean: centre, low: centre - reach, high: centre + reach };
}
