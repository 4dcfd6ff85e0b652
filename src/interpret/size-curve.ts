/** What circuits of other sizes would do: directions kept in the order of their soft masks, a few sizes measured. */

import { scoreEach } from '../evaluate/prompt-scores.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { mean } from '../statistics/summary.js';

export interface SizePoint {
  /** Directions kept: those with the largest masks. */
  kept: number;
  /** The smallest mask among them; 1 where none is kept. */
  mask: number;
  kl: number;
  exact_match: number;
  accuracy: number | null;
  logit_difference: number | null;
}

/** Shares of all directions that are kept, beside multiples of the circuit's own size. */
const SHARES = [0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const AROUND = [0.25, 0.5, 0.75, 1, 1.5, 2];
export const MOST_SIZES = SHARES.length + AROUND.length;

/**
 * @param ranking by direction, the more important the larger; of equal ones the earlier come first
 * @param own the circuit's size
 */
export async function sizeCurve(
  prepared: PreparedPairs,
  ranking: Float32Array,
  own: number,
  { onProgress, signal }: LongCall = {},
): Promise<SizePoint[]> {
  const order = [...ranking.keys()].sort((a, b) => ranking[b]! - ranking[a]!);
  const around = AROUND.map((factor) => Math.round(factor * own));
  const sizes = [...SHARES.map((share) => Math.floor(share * order.length)), ...around]
    .filter((size) => size <= order.length)
    .sort((a, b) => a - b);
  const points = [...new Set(sizes)].map((kept) => {
    const masks = new Float32Array(order.length);
    for (const direction of order.slice(0, kept)) masks[direction] = 1;
    return { kept, mask: kept === 0 ? 1 : ranking[order[kept - 1]!]!, masks };
  });
  const scores = await scoreEach(
    prepared,
    points.map(({ masks }) => masks),
    { onProgress: (event) => onProgress?.({ ...event, stage: 'sizes' }), signal },
  );
  return points.map(({ kept, mask }, at): SizePoint => {
    const { kl, exact_match, accuracy, logit_diff } = scores[at]!;
    return {
      ...{ kept, mask, kl: mean(kl)!, exact_match: mean(exact_match)! },
      ...{ accuracy: mean(accuracy), logit_difference: mean(logit_diff) },
    };
  });
}
