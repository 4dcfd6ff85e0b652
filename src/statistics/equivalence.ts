/**
 * Does a circuit score like the model (Shi et al., "Hypothesis testing the circuit hypothesis in LLMs", arXiv
 * 2410.13032)? Not rejecting is the good outcome.
 */
import { sumOf } from './binomial.js';

export interface Equivalence {
  /** Prompts on which the two scores differ. */
  compared: number;
  /** Prompts on which they are exactly equal: they favour neither and are dropped. */
  ties: number;
  /** Of the prompts compared, the share on which the circuit's score is higher; null without any. */
  share: number | null;
  p: number;
}

/**
 * Null hypothesis: the probability that the circuit's score is above the model's is within `tolerance` of ½. The
 * statistic is |share − ½| of the prompts on which it is (not the mean difference, in which a few prompts outweigh all
 * others), and p the probability of one as large if that probability were ½ + tolerance.
 *
 * @param circuit a score for each prompt
 * @param model the full model's, of the same prompts
 */
export function equivalence(
  circuit: ArrayLike<number>,
  model: ArrayLike<number>,
  tolerance = 0.1,
): Equivalence {
  const differences = Array.from(circuit, (score, i) => score - model[i]!);
  const higher = differences.filter((difference) => difference > 0).length;
  const ties = differences.filter((difference) => difference === 0).length;
  const n = differences.length - ties;
  if (n === 0) return { compared: 0, ties, share: null, p: 1 };
  const observed = Math.abs(2 * higher - n);
  const p = Math.min(
    1,
    sumOf(n, 0.5 + tolerance, (k) => Math.abs(2 * k - n) >= observed),
  );
  return { compared: n, ties, share: higher / n, p };
}
