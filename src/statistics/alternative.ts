/** Against what a null hypothesis is held: that the statistic is larger, smaller, or either. */
export type Alternative = 'greater' | 'less' | 'two-sided';

/** The p-value of a statistic from those of its two sides. */
export function oneOrBothSides(greater: number, less: number, alternative: Alternative): number {
  if (alternative === 'two-sided') return Math.min(1, 2 * Math.min(greater, less));
  return alternative === 'greater' ? greater : less;
}
