/** Means, deviations and bootstrap intervals. NaN marks a missing value and is left out. */
import { Random } from '../random.js';

/** null if there are no values. */
export function mean(values: ArrayLike<number>): number | null {
  let total = 0;
  let n = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i]!)) continue;
    total += values[i]!;
    n++;
  }
  return n === 0 ? null : total / n;
}

/** Standard deviation of a sample (n − 1); null below two values. */
export function standardDeviation(values: ArrayLike<number>): number | null {
  const present = Array.from(values).filter((value) => !Number.isNaN(value));
  const centre = mean(present);
  if (centre === null || present.length < 2) return null;
  const squares = present.reduce((total, value) => total + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (present.length - 1));
}

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

/** Linear interpolation between order statistics of an ascending array (Hyndman and Fan's type 7). */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}
