/** How well a set or a ranking finds what it should find. */

export interface Retrieval {
  precision: number;
  recall: number;
  f1: number;
}

/**
 * Precision, recall and their harmonic mean of a chosen set.
 * @param chosen true for the items chosen
 * @param relevant how much of each item should be found: 1, 0, or a share
 * @param irrelevant how much of it should not; 1 − relevant where absent. What is neither counts neither way
 * @returns precision 1 where nothing irrelevant was chosen, recall 1 where there was nothing to find
 */
export function retrieval(
  chosen: ArrayLike<boolean | number>,
  relevant: ArrayLike<number>,
  irrelevant: ArrayLike<number> = Array.from(relevant, (share) => 1 - share),
): Retrieval {
  let [found, wrong, missed] = [0, 0, 0];
  for (let i = 0; i < chosen.length; i++) {
    if (chosen[i]) {
      found += relevant[i]!;
      wrong += irrelevant[i]!;
    } else missed += relevant[i]!;
  }
  const share = (part: number, rest: number) => (part + rest === 0 ? 1 : part / (part + rest));
  return {
    precision: share(found, wrong),
    recall: share(found, missed),
    f1: share(found, (wrong + missed) / 2),
  };
}

/**
 * Area under the receiver operating characteristic: the probability that a relevant item scores above an irrelevant
 * one, equal scores counted half. Null where there are no items of one sort.
 * @param relevant,irrelevant as in {@link retrieval}
 */
export function auroc(
  scores: ArrayLike<number>,
  relevant: ArrayLike<number>,
  irrelevant: ArrayLike<number> = Array.from(relevant, (share) => 1 - share),
): number | null {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let [above, below, positives] = [0, 0, 0];
  for (let from = 0; from < order.length; ) {
    let to = from;
    let [relevantHere, irrelevantHere] = [0, 0];
    for (; to < order.length && scores[order[to]!] === scores[order[from]!]; to++) {
      relevantHere += relevant[order[to]!]!;
      irrelevantHere += irrelevant[order[to]!]!;
    }
    above += relevantHere * (below + irrelevantHere / 2);
    below += irrelevantHere;
    positives += relevantHere;
    from = to;
  }
  return positives > 0 && below > 0 ? above / (positives * below) : null;
}
