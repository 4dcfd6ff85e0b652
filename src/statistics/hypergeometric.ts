/** The hypergeometric distribution: how many of one set lie in another that was drawn by chance. */
import { logChoose } from './binomial.js';

/**
 * P(X ≥ k) of what two sets of `a` and `b` items share, one of them drawn at random from `n`.
 *
 * @example sharedAtLeast(2, { n: 4, a: 2, b: 2 }) // 1/6
 */
export function sharedAtLeast(k: number, { n, a, b }: { n: number; a: number; b: number }): number {
  let total = 0;
  for (let shared = Math.max(k, 0, a + b - n); shared <= Math.min(a, b); shared++)
    total += Math.exp(logChoose(a, shared) + logChoose(n - a, b - shared) - logChoose(n, b));
  return Math.min(1, total);
}
