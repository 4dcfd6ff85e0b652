/** How many directions a ranking needs. */
import type { Cut } from '../../src/evidence/compare-file.js';

/** Directions at which the curve of log KL against log size first comes down to a KL; null where none of the sizes does. */
export function needed(cuts: readonly Cut[], enough: number): number | null {
  const curve = cuts.filter(({ kept }) => kept > 0).sort((a, b) => a.kept - b.kept);
  const at = curve.findIndex(({ kl }) => kl <= enough);
  if (at <= 0) return at < 0 ? null : curve[0]!.kept;
  const [above, below] = [curve[at - 1]!, curve[at]!];
  const [from, to] = [Math.log(above.kl), Math.log(Math.max(below.kl, 1e-6))];
  const share = (from - Math.log(enough)) / (from - to);
  return Math.exp(Math.log(above.kept) + share * Math.log(below.kept / above.kept));
}
