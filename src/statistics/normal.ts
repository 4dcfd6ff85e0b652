/** The normal distribution: tails to full precision, and quantiles. */

/**
 * P(Z > z) of a standard normal. By the series of the error function near 0 and by its continued fraction beyond
 * (Abramowitz and Stegun 7.1.6 and 7.1.14), so that far tails keep their relative precision.
 *
 * @example upperTail(1.959963984540054) // 0.025
 */
export function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z);
  return z < 2 ? 0.5 - density(z) * series(z) : density(z) / continuedFraction(z);
}

/** z with P(Z ≤ z) = p; −∞ for 0, ∞ for 1. */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  // Bisection: 64 halvings of [0, 40] end below the spacing of doubles.
  let [near, far] = [0, 40];
  for (let halving = 0; halving < 64; halving++) {
    const middle = (near + far) / 2;
    if (upperTail(middle) > p) near = middle;
    else far = middle;
  }
  return -(near + far) / 2;
}

function density(z: number): number {
  return Math.exp(-(z * z) / 2) / Math.sqrt(2 * Math.PI);
}

/** Σ_n z^(2n+1) / (1·3·…·(2n+1)). */
function series(z: number): number {
  let term = z;
  let total = z;
  for (let n = 1; term > total * Number.EPSILON; n++) {
    term *= (z * z) / (2 * n + 1);
    total += term;
  }
  return total;
}

/** z + 1/(z + 2/(z + 3/(z + …))), from the back; from z = 2 on, 200 levels are more than doubles can tell apart. */
function continuedFraction(z: number): number {
  let value = z;
  for (let level = 200; level > 0; level--) value = z + level / value;
  return value;
}
