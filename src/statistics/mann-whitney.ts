/** Mann and Whitney's test: is a value of one group likely to be above one of the other? */
import { type Alternative, oneOrBothSides } from './alternative.js';
import { upperTail } from './normal.js';
import { tied } from './ranks.js';

export interface MannWhitney {
  /** Pairs (a, b) with a > b, those with a = b counted half. */
  u: number;
  /** Rank-biserial correlation P(a > b) − P(a < b): 0 is no difference, ±1 complete separation. */
  effect: number;
  p: number;
}

/** With at most so many pairs (a, b) and no equal values, the exact distribution is counted. */
const EXACT = 400;

/**
 * @param a a sample; at least one value
 * @param b another one; the alternative `greater` is that values of `a` are
 *
 * Exact for small samples without ties; otherwise by the normal approximation with the variance corrected for ties and
 * the statistic for continuity (H. Mann and D. Whitney, 1947).
 */
export function mannWhitney(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  alternative: Alternative = 'two-sided',
): MannWhitney {
  const [n, m] = [a.length, b.length];
  const groups = tied([...Array.from(a), ...Array.from(b)]);
  const rankSum = groups.reduce(
    (sum, { rank, members }) => sum + rank * members.filter((index) => index < n).length,
    0,
  );
  const u = rankSum - (n * (n + 1)) / 2;
  const effect = (2 * u) / (n * m) - 1;
  if (groups.length === n + m && n * m <= EXACT) {
    const counts = arrangements(n, m);
    const upTo = (from: number, to: number) =>
      counts.subarray(from, to).reduce((sum, count) => sum + count, 0);
    const p = oneOrBothSides(upTo(u, n * m + 1), upTo(0, u + 1), alternative);
    return { u, effect, p };
  }
  const total = n + m;
  const ties = groups.reduce((sum, { members: { length: t } }) => sum + t ** 3 - t, 0);
  const deviation = Math.sqrt(((n * m) / 12) * (total + 1 - ties / (total * (total - 1))));
  // Nothing varies: no evidence of anything.
  if (deviation === 0) return { u, effect, p: 1 };
  const centre = (n * m) / 2;
  const greater = upperTail((u - centre - 0.5) / deviation);
  const less = upperTail((centre - u - 0.5) / deviation);
  return { u, effect, p: oneOrBothSides(greater, less, alternative) };
}

/** By both sizes: thousands of directions are tested on groups of the same sizes, and counting takes a millisecond. */
const counted = new Map<string, Float64Array>();

/** Share of the arrangements of n and m different values that have each U, [n·m + 1]. */
function arrangements(n: number, m: number): Float64Array {
  const key = `${n},${m}`;
  const shares = counted.get(key) ?? countArrangements(n, m);
  counted.set(key, shares);
  return shares;
}

function countArrangements(n: number, m: number): Float64Array {
  // A largest value of `a` is above all m of `b`; a largest value of `b` is above none.
  let column = Array.from({ length: m + 1 }, () => Float64Array.of(1));
  for (let i = 1; i <= n; i++) {
    const next = [Float64Array.of(1)];
    for (let j = 1; j <= m; j++) {
      const [withA, withB] = [column[j]!, next[j - 1]!];
      const shares = new Float64Array(i * j + 1);
      for (let u = 0; u < shares.length; u++)
        shares[u] = ((withA[u - j] ?? 0) * i + (withB[u] ?? 0) * j) / (i + j);
      next.push(shares);
    }
    column = next;
  }
  return column[m]!;
}
