/** The binomial distribution and its one-sided tests. */

/**
 * P(X ≥ k) of n trials with probability p each.
 *
 * @example atLeast(9, 10, 0.5) // 11/1024
 */
export function atLeast(k: number, n: number, p: number): number {
  return Math.min(
    1,
    sumOf(n, p, (i) => i >= k),
  );
}

/** P(X ≤ k) of n trials with probability p each. */
export function atMost(k: number, n: number, p: number): number {
  return Math.min(
    1,
    sumOf(n, p, (i) => i <= k),
  );
}

/** Sum of the probabilities of all counts that are `included`. */
export function sumOf(n: number, p: number, included: (k: number) => boolean): number {
  let total = 0;
  for (let k = 0; k <= n; k++) if (included(k)) total += probability(k, n, p);
  return total;
}

/** P(X = k). */
function probability(k: number, n: number, p: number): number {
  // 0 · log 0 is 0 here.
  const power = (count: number, base: number) => (count === 0 ? 0 : count * Math.log(base));
  return Math.exp(logChoose(n, k) + power(k, p) + power(n - k, 1 - p));
}

/** log C(n, k). */
export function logChoose(n: number, k: number): number {
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}

/** log Γ(x), x > 0: Stirling's series (Abramowitz and Stegun 6.1.41), brought by Γ(x+1) = xΓ(x) to where it converges. */
export function logGamma(x: number): number {
  let shift = 0;
  for (; x < 16; x++) shift -= Math.log(x);
  const square = x * x;
  const tail = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * square)) / square) / square) / x;
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + tail;
}
