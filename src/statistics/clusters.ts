/** Groups of items that lie near each other: hierarchical clustering, how well it separates, and how two partitions agree. */

/** Squared distances of n items, [n, n]. */
export type Distances = Float64Array;

/** Squared Euclidean distances of vectors that are scaled to length 1: 2 − 2 cos; one of length 0 is at 1 from all others. */
export function angularDistances(vectors: readonly Float32Array[]): Distances {
  const n = vectors.length;
  const lengths = vectors.map((vector) => Math.sqrt(dot(vector, vector)));
  const distances = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) {
      const scale = lengths[i]! * lengths[j]!;
      const cosine = scale === 0 ? 0.5 : dot(vectors[i]!, vectors[j]!) / scale;
      distances[i * n + j] = distances[j * n + i] = Math.max(0, 2 - 2 * cosine);
    }
  return distances;
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Ward's clustering (J. H. Ward, "Hierarchical grouping to optimize an objective function", 1963): the two clusters go
 * together whose union adds least to the squared distances from the clusters' means. Distances to a union follow Lance
 * and Williams (1967).
 * @param most clusters that are asked for at most
 * @returns partitions into 1, 2, … `most` clusters: the cluster of each item, numbered by their first items
 */
export function ward(squared: Distances, items: number, most: number): number[][] {
  const distances = Float64Array.from(squared);
  const size = new Array<number>(items).fill(1);
  const cluster = Array.from({ length: items }, (_, i) => i);
  const alive = new Set(cluster);
  const partitions: number[][] = [];
  for (let clusters = items; clusters >= 1; clusters--) {
    if (clusters <= most) partitions.unshift(numbered(cluster));
    if (clusters === 1) break;
    const [a, b] = nearest(distances, items, alive);
    alive.delete(b);
    const apart = distances[a * items + b]!;
    for (const other of alive) {
      if (other === a) continue;
      const [na, nb, no] = [size[a]!, size[b]!, size[other]!];
      const [da, db] = [distances[a * items + other]!, distances[b * items + other]!];
      const joined = ((na + no) * da + (nb + no) * db - no * apart) / (na + nb + no);
      distances[a * items + other] = distances[other * items + a] = joined;
    }
    size[a]! += size[b]!;
    for (let i = 0; i < items; i++) if (cluster[i] === b) cluster[i] = a;
  }
  return partitions;
}

function nearest(distances: Distances, items: number, alive: ReadonlySet<number>): [number, number] {
  let [least, first, second] = [Number.POSITIVE_INFINITY, 0, 0];
  const left = [...alive];
  for (const [at, a] of left.entries())
    for (let i = at + 1; i < left.length; i++) {
      const distance = distances[a * items + left[i]!]!;
      if (distance < least) [least, first, second] = [distance, a, left[i]!];
    }
  return [first, second];
}

/** The same partition, its clusters numbered from 0 by their first items. */
function numbered(labels: readonly number[]): number[] {
  const numbers = new Map<number, number>();
  return labels.map((label) => {
    const known = numbers.get(label) ?? numbers.size;
    numbers.set(label, known);
    return known;
  });
}

/**
 * How well a partition separates (P. J. Rousseeuw, "Silhouettes", 1987): the mean over items of (b − a) / max(a, b), with
 * a the mean distance to others of its cluster and b to those of the nearest other cluster. 1 at best; below 0 an item
 * is nearer to another cluster; 0 for an item that is alone in its own.
 * @param labels from 0, two clusters at least
 */
export function silhouette(squared: Distances, labels: readonly number[]): number {
  const n = labels.length;
  const clusters = 1 + Math.max(...labels);
  const counts = new Array<number>(clusters).fill(0);
  for (const label of labels) counts[label]!++;
  let total = 0;
  for (let i = 0; i < n; i++) {
    const own = labels[i]!;
    if (counts[own] === 1) continue;
    const sums = new Array<number>(clusters).fill(0);
    for (let j = 0; j < n; j++) sums[labels[j]!]! += Math.sqrt(squared[i * n + j]!);
    const a = sums[own]! / (counts[own]! - 1);
    const b = Math.min(...sums.flatMap((sum, other) => (other === own ? [] : sum / counts[other]!)));
    if (Math.max(a, b) > 0) total += (b - a) / Math.max(a, b);
  }
  return total / n;
}

export interface Agreement {
  /** 1 for the same partition; 0 is what partitions of these sizes agree by chance (Hubert and Arabie 1985). */
  adjusted_rand: number;
  /** Share of the items that are of their cluster's most frequent class. */
  purity: number;
}

/** How far clusters are the classes that items have. */
export function agreementOf(clusters: readonly number[], classes: readonly string[]): Agreement {
  const n = clusters.length;
  const counts = <Key>(keys: readonly Key[]) => {
    const found = new Map<Key, number>();
    for (const key of keys) found.set(key, (found.get(key) ?? 0) + 1);
    return found;
  };
  const pairs = (sizes: Iterable<number>) => {
    let total = 0;
    for (const size of sizes) total += (size * (size - 1)) / 2;
    return total;
  };
  const both = counts(clusters.map((cluster, i) => JSON.stringify([cluster, classes[i]])));
  const [together, ours, theirs] = [
    pairs(both.values()),
    pairs(counts(clusters).values()),
    pairs(counts(classes).values()),
  ];
  const chance = n < 2 ? 0 : (ours * theirs) / ((n * (n - 1)) / 2);
  const most = (ours + theirs) / 2;
  let pure = 0;
  for (const cluster of new Set(clusters)) {
    const own = counts(classes.filter((_, i) => clusters[i] === cluster));
    pure += Math.max(...own.values());
  }
  return { adjusted_rand: most === chance ? 1 : (together - chance) / (most - chance), purity: pure / n };
}
