/** How much two circuits have in common, against what chance gives and with clusters of equal σ taken as subspaces. */
import type { ActiveCluster, Circuit } from './circuit.js';

/** Overlap of two sets of directions out of `n`. */
export interface Overlap {
  n: number;
  a: number;
  b: number;
  /** Directions in both; in clusters, the sum of cos² of the principal angles between what is active in each. */
  shared: number;
  /** What two independent sets of these sizes share in the mean (hypergeometric): ab/n. */
  expected: number;
}

/** shared / (a + b − shared); 1 for two empty sets, which agree. */
export function jaccard({ a, b, shared }: Pick<Overlap, 'a' | 'b' | 'shared'>): number {
  const union = a + b - shared;
  return union === 0 ? 1 : shared / union;
}

/** The mean Jaccard index of two independent sets of these sizes, their overlap distributed hypergeometrically. */
export function chanceJaccard({ n, a, b }: Pick<Overlap, 'n' | 'a' | 'b'>): number {
  const [least, most] = [Math.max(0, a + b - n), Math.min(a, b)];
  const mode = Math.min(most, Math.max(least, Math.floor(((a + 1) * (b + 1)) / (n + 2))));
  let [weights, sum] = [0, 0];
  const add = (shared: number, weight: number) => {
    weights += weight;
    sum += weight * jaccard({ a, b, shared });
    return weight;
  };
  // P(k + 1)/P(k); outwards from the most likely overlap, so that nothing overflows.
  const ratio = (k: number) => ((a - k) * (b - k)) / ((k + 1) * (n - a - b + k + 1));
  add(mode, 1);
  for (let k = mode, weight = 1; k < most && weight > 1e-18; k++) weight = add(k + 1, weight * ratio(k));
  for (let k = mode, weight = 1; k > least && weight > 1e-18; k--) weight = add(k - 1, weight / ratio(k - 1));
  return sum / weights;
}

/** The Jaccard index at the expected overlap: for sums over components, where the mean has no simple form. */
export function jaccardAtExpected({ a, b, expected }: Overlap): number {
  return jaccard({ a, b, shared: expected });
}

/** @returns the overlap in each component, by name */
export function overlaps(first: Circuit, second: Circuit): Map<string, Overlap> {
  return new Map(
    [...first.active].map(([name, one]) => {
      const other = second.active.get(name)!;
      const [a, b] = [count(one), count(other)];
      const n = one.length;
      const shared = sharedDirections(
        one,
        other,
        first.clusters.get(name) ?? [],
        second.clusters.get(name) ?? [],
      );
      return [name, { n, a, b, shared, expected: (a * b) / n }];
    }),
  );
}

/**
 * Sums overlaps. With `strict`, chance keeps each component's size: what remains is agreement on which directions of a
 * component, beyond agreement on which components. Without, chance draws from all directions.
 */
export function total(parts: Iterable<Overlap>, strict: boolean): Overlap {
  const sum = { n: 0, a: 0, b: 0, shared: 0, expected: 0 };
  for (const part of parts) for (const key of Object.keys(sum) as (keyof Overlap)[]) sum[key] += part[key];
  return strict ? sum : { ...sum, expected: sum.n === 0 ? 0 : (sum.a * sum.b) / sum.n };
}

function sharedDirections(
  one: Uint8Array,
  other: Uint8Array,
  clusters: readonly ActiveCluster[],
  otherClusters: readonly ActiveCluster[],
): number {
  let shared = 0;
  for (let k = 0; k < one.length; k++) {
    const clustered = [...clusters, ...otherClusters].some(({ first, last }) => k >= first && k <= last);
    if (!clustered) shared += one[k]! & other[k]!;
  }
  for (const cluster of clusters)
    for (const partner of otherClusters)
      if (partner.first === cluster.first && partner.last === cluster.last)
        shared += squaredCosines(cluster, partner);
  return shared;
}

/**
 * Σ cos² θ_i over the principal angles between two subspaces with orthonormal bases A, B in rows (Björck and Golub
 * 1973): the squared Frobenius norm of A Bᵀ. It is the dimension of what they share if they are at right angles or equal.
 */
export function squaredCosines(a: ActiveCluster, b: ActiveCluster): number {
  let sum = 0;
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < b.rows; j++) {
      let dot = 0;
      for (let c = 0; c < a.cols; c++) dot += a.basis[i * a.cols + c]! * b.basis[j * b.cols + c]!;
      sum += dot * dot;
    }
  return sum;
}

function count(active: Uint8Array): number {
  return active.reduce((sum, one) => sum + one, 0);
}

/** Spearman's ρ: the correlation of ranks, equal values sharing their mean rank; null where one side does not vary. */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  const [x, y] = [ranks(a), ranks(b)];
  const centre = (x.length - 1) / 2;
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - centre, y[i]! - centre];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return xx === 0 || yy === 0 ? null : xy / Math.sqrt(xx * yy);
}

/** Ranks from 0, ties at their mean. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const ranked = new Float64Array(values.length);
  for (let from = 0, to = 0; from < order.length; from = to) {
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let at = from; at < to; at++) ranked[order[at]!] = (from + to - 1) / 2;
  }
  return ranked;
}
