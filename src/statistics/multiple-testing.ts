/** Corrections of p-values where many hypotheses are tested at once. */

/**
 * Adjusted p-values of Holm (1979): rejecting those ≤ α, the probability of any false rejection is at most α,
 * whatever the tests have to do with each other.
 *
 * @example holm([0.01, 0.04, 0.03]) // [0.03, 0.06, 0.06]
 */
export function holm(p: ArrayLike<number>): number[] {
  const n = p.length;
  let highest = 0;
  return inOrderOf(ascending(p), n, (index, rank) => {
    highest = Math.max(highest, Math.min(1, (n - rank) * p[index]!));
    return highest;
  });
}

/**
 * Adjusted p-values of Benjamini and Hochberg (1995): rejecting those ≤ q, the expected share of false ones among the
 * rejected is at most q, for tests that are independent or positively dependent.
 */
export function benjaminiHochberg(p: ArrayLike<number>): number[] {
  const n = p.length;
  let lowest = 1;
  return inOrderOf(ascending(p).reverse(), n, (index, fromLargest) => {
    lowest = Math.min(lowest, (p[index]! * n) / (n - fromLargest));
    return lowest;
  });
}

/** Indices by value. */
function ascending(values: ArrayLike<number>): number[] {
  return Array.from(values, (_, index) => index).sort((a, b) => values[a]! - values[b]!);
}

/** Visits indices in the given order, and puts each result at its index. */
function inOrderOf(
  order: readonly number[],
  n: number,
  visit: (index: number, rank: number) => number,
): number[] {
  const out = new Array<number>(n);
  order.forEach((index, rank) => {
    out[index] = visit(index, rank);
  });
  return out;
}
