/**
 * Faithfulness of circuits of growing size, and the areas under its curve (Mueller et al., "MIB: A Mechanistic
 * Interpretability Benchmark", arXiv 2504.13151).
 */
import { type BootstrapSettings, type Interval, ratioOfMeans } from './bootstrap.js';

/** The benchmark's sizes, as shares of all scored items. */
export const SIZES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] as const;

/** ⌊k·n⌋: how many items a size keeps. */
export function itemsAt(size: number, items: number): number {
  // .1 · 30 is 3, not 2.999…
  return Math.floor(size * items + 1e-9);
}

/**
 * How items are ranked: `signed` prefers those that push the metric up, `absolute` those that move it either way. For
 * one and the same method the two have given areas as far apart as .38 and .72, so a figure says which it is.
 */
export type Ranking = 'signed' | 'absolute';

/** Indices of the items, the most important first; ties are broken by the second score, then by index. */
export function ranked(scores: ArrayLike<number>, ranking: Ranking, ties?: ArrayLike<number>): number[] {
  const value = (scores: ArrayLike<number>, i: number) =>
    ranking === 'absolute' ? Math.abs(scores[i]!) : scores[i]!;
  return Array.from(scores, (_, i) => i).sort(
    (a, b) => value(scores, b) - value(scores, a) || (ties ? value(ties, b) - value(ties, a) : 0) || a - b,
  );
}

export interface Scores {
  /** Of each prompt, by the circuit. */
  circuit: ArrayLike<number>;
  /** By the full model. */
  model: ArrayLike<number>;
  /** With everything replaced. */
  empty: ArrayLike<number>;
}

export interface Faithfulness {
  /** (mean circuit − mean empty) / (mean model − mean empty): 1 is the model, more is possible. */
  f: number;
  percentile: Interval;
  corrected: Interval;
  /**
   * Share of prompts on which |model − empty| is below a tenth of its mean: there a ratio of one prompt says nothing,
   * which is why f is a ratio of means and not the mean of ratios.
   */
  nearZero: number;
}

/** How many denominators are below a tenth of their mean. */
export function countNearZero(denominators: Float64Array): number {
  const typical = Math.abs(denominators.reduce((sum, value) => sum + value, 0) / denominators.length);
  return denominators.filter((value) => Math.abs(value) < typical / 10).length;
}

/** f of one circuit, with bootstrap intervals over prompts. */
export function faithfulness({ circuit, model, empty }: Scores, settings: BootstrapSettings): Faithfulness {
  const over = (values: ArrayLike<number>) => Float64Array.from(values, (value, i) => value - empty[i]!);
  const denominators = over(model);
  const { ratio, percentile, corrected } = ratioOfMeans(over(circuit), denominators, settings);
  return { f: ratio, percentile, corrected, nearZero: countNearZero(denominators) / denominators.length };
}

export interface Areas {
  /** Circuit performance ratio ∫ f dk: more is better. */
  cpr: number;
  /** Circuit-model distance ∫ |1 − f| dk: less is better. */
  cmd: number;
}

/**
 * Areas over the sizes k, linear in k, by trapezoids from the first size to the last. From .001 to 1 a perfect circuit
 * has CPR .999 and CMD 0; CPR + CMD is .999 where f never exceeds 1, and more where it does.
 * @param sizes ascending
 * @param f of the circuit at each size
 */
export function areas(sizes: ArrayLike<number>, f: ArrayLike<number>): Areas {
  let [cpr, cmd] = [0, 0];
  for (let i = 0; i + 1 < sizes.length; i++) {
    const width = sizes[i + 1]! - sizes[i]!;
    cpr += (width * (f[i]! + f[i + 1]!)) / 2;
    cmd += (width * (Math.abs(1 - f[i]!) + Math.abs(1 - f[i + 1]!))) / 2;
  }
  return { cpr, cmd };
}
