/** Ranks, and what is made of them: correlations. */

/** Ranks from 1; equal values share the mean of theirs. */
export function averageRanks(values: ArrayLike<number>): number[] {
  const ranks = new Array<number>(values.length);
  for (const group of tied(values)) for (const index of group.members) ranks[index] = group.rank;
  return ranks;
}

/** Groups of equal values, smallest first, each with its mean rank. */
export function tied(values: ArrayLike<number>): { rank: number; members: number[] }[] {
  const order = Array.from(values, (_, index) => index).sort((a, b) => values[a]! - values[b]!);
  const groups: { rank: number; members: number[] }[] = [];
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    groups.push({ rank: (from + 1 + to) / 2, members: order.slice(from, to) });
    from = to;
  }
  return groups;
}

/** Pearson's correlation of two equally long arrays; null where one of them does not vary. */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  const [dx, dy] = [deviations(x), deviations(y)];
  const product = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const scale = Math.sqrt(product(dx, dx) * product(dy, dy));
  return scale > 0 ? product(dx, dy) / scale : null;
}

/** Spearman's: Pearson's of the ranks. */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  return pearson(averageRanks(x), averageRanks(y));
}

function deviations(values: ArrayLike<number>): number[] {
  const all = Array.from(values);
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  return all.map((value) => value - mean);
}
