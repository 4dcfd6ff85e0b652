/** Means, deviations and quantiles. NaN marks a missing value and is left out. */

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

/** Linear interpolation between order statistics of an ascending array (Hyndman and Fan's type 7). */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}
