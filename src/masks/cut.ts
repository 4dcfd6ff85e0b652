/**
 * Where the rounding phase cuts soft masks into what it begins with (docs/maths.md, "Training"): at ½, or where the
 * circuit is best. Masks that all ended below ½ can be needed all the same, if a third of their scores is enough.
 */

/** A circuit of all masks above a threshold. */
export interface Cut {
  threshold: number;
  kept: number;
  /** The circuit's value by the function that was passed; lower is better. */
  value: number;
  /** Which of those that were run it is. */
  at: number;
}

/** Logits of the thresholds that are tried first; 0 is ½. */
const FIRST = Array.from({ length: 15 }, (_, at) => (at - 8) * 0.75);
/** Then so many numbers of kept directions between the neighbours of the best so far, so many times over. */
const CLOSER = { cuts: 8, rounds: 2 };

/** Most circuits that a search runs. */
export const MOST_CUTS = FIRST.length + CLOSER.rounds * CLOSER.cuts;

/** Validation pairs that are enough to choose among cuts: on all of them a search would cost a fifth of the training. */
export const CUT_PAIRS = 64;

/**
 * Searches among all cuts between two soft masks: it tries thresholds from near 0 to near 1, and then cuts ever closer
 * to the best. So what it finds is never worse than the cut at ½.
 * @param soft masks, [directions]
 * @param value of the circuit (masks of 0 and 1) that a cut leaves; of equal ones that with fewer directions is taken
 */
export async function bestCut(
  soft: Float32Array,
  value: (circuit: Float32Array) => Promise<number>,
): Promise<Cut> {
  const levels = soft.slice().sort().reverse();
  const above = (threshold: number) => levels.findLastIndex((mask) => mask > threshold) + 1;
  const tried = new Map<number, Cut>();
  const attempt = async (kept: number, threshold: number) => {
    if (tried.has(kept)) return;
    const circuit = soft.map((mask) => Number(mask > threshold));
    tried.set(kept, { threshold, kept, value: await value(circuit), at: tried.size });
  };
  const sorted = () => [...tried.values()].sort((a, b) => a.kept - b.kept);
  const best = () => sorted().reduce((least, cut) => (cut.value < least.value ? cut : least));
  for (const logit of FIRST) {
    const threshold = 1 / (1 + Math.exp(-logit));
    await attempt(above(threshold), threshold);
  }
  for (let round = 0; round < CLOSER.rounds; round++) {
    const cuts = sorted();
    const at = cuts.indexOf(best());
    const from = cuts[at - 1]?.kept ?? cuts[at]!.kept;
    const to = cuts[at + 1]?.kept ?? cuts[at]!.kept;
    for (let step = 1; step <= CLOSER.cuts; step++) {
      const kept = Math.round(from + ((to - from) * step) / (CLOSER.cuts + 1));
      if (kept === 0 || kept === levels.length) continue;
      // Equal masks are kept or cut together.
      const threshold = (levels[kept - 1]! + levels[kept]!) / 2;
      await attempt(above(threshold), threshold);
    }
  }
  return best();
}
