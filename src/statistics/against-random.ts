/**
 * Circuits held against random ones by sign: minimality, sufficiency and partial necessity (Shi et al., arXiv
 * 2410.13032). The numbers come from elsewhere; here is what follows from them.
 */
import { atLeast, atMost } from './binomial.js';
import { holm } from './multiple-testing.js';

/** A figure is called large if it is above so many of the random ones. */
const QUANTILE = 0.9;

export interface Count {
  /** Random figures that the circuit's (or the member's) meets or beats. */
  beaten: number;
  of: number;
  p: number;
}

export interface Minimality {
  /** In the order given. `adjusted` is Holm's: a published program leaves the correction out. */
  members: (Count & { adjusted: number })[];
  /** Members whose null hypothesis is rejected at level `alpha`: the circuit does as well without them. */
  superfluous: number[];
}

/**
 * Null hypothesis of each member: leaving it out changes the circuit's metric by more than leaving out again an item
 * that was added at random does, for at least a share `q` of such items. Rejecting any means that the circuit is not
 * minimal.
 *
 * @param changes for each member |metric(C) − metric(C without it)|
 * @param random the same for items added at random
 * @param alpha largest probability of calling any needed member superfluous
 */
export function minimality(
  changes: ArrayLike<number>,
  random: ArrayLike<number>,
  { q = QUANTILE, alpha = 0.05 } = {},
): Minimality {
  const counts = Array.from(changes, (change) => {
    const beaten = count(random, (other) => change > other);
    return { beaten, of: random.length, p: atMost(beaten, random.length, q) };
  });
  const adjusted = holm(counts.map(({ p }) => p));
  return {
    members: counts.map((each, i) => ({ ...each, adjusted: adjusted[i]! })),
    superfluous: adjusted.flatMap((p, i) => (p <= alpha ? [i] : [])),
  };
}

/**
 * Sufficiency. Null hypothesis: at most a share `q` of random circuits of the same size lose as much as the circuit or
 * more. Rejecting is the good outcome.
 *
 * @param loss the circuit's loss of faithfulness
 * @param random that of each random circuit
 */
export function sufficiency(loss: number, random: ArrayLike<number>, q = QUANTILE): Count {
  const beaten = count(random, (other) => other >= loss);
  return { beaten, of: random.length, p: atLeast(beaten, random.length, q) };
}

/**
 * Partial necessity. Null hypothesis: knocking the circuit out costs at most as much as knocking out a random set of
 * the same size does, for more than a share 1 − `q` of such sets. Rejecting is the good outcome.
 *
 * @param loss what the model loses without the circuit
 * @param random what it loses without each random set
 */
export function partialNecessity(loss: number, random: ArrayLike<number>, q = QUANTILE): Count {
  const beaten = count(random, (other) => other <= loss);
  return { beaten, of: random.length, p: atLeast(beaten, random.length, q) };
}

function count(values: ArrayLike<number>, holds: (value: number) => boolean): number {
  return Array.from(values).filter(holds).length;
}
