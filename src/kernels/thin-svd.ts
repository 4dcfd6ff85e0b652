/** What a singular value decomposition is, and which of its directions are only defined as a group. */

/** W = u · diag(s) · vt with rank = the smallest dimension; float32, row-major. */
export interface ThinSvd {
  /** [rows, rank]: column k is u_k. Orthonormal columns, also where singular values are zero. */
  u: Float32Array;
  /** [rank], descending. */
  s: Float32Array;
  /** [rank, cols]: row k is v_k. Orthonormal rows. */
  vt: Float32Array;
}

/** Room for the thin decomposition of a [rows, cols] matrix. */
export function allocateThinSvd(rows: number, cols: number, rank: number): ThinSvd {
  return {
    u: new Float32Array(rows * rank),
    s: new Float32Array(rank),
    vt: new Float32Array(rank * cols),
  };
}

/**
 * Groups nearly equal singular values: neighbours whose gap is less than `gap` times the larger one share a
 * cluster. Inside a cluster the directions are arbitrary (any rotation of them is as good), so nothing should be
 * read from one of them alone. Zeros form one cluster.
 * @param s [rank], descending
 * @returns [rank], cluster number of each direction, counted from 0
 */
export function clusters(s: Float32Array, gap = 1e-4): Int32Array {
  const cluster = new Int32Array(s.length);
  for (let k = 1; k < s.length; k++) {
    const apart = s[k - 1]! - s[k]! >= gap * s[k - 1]! && s[k - 1]! > 0;
    cluster[k] = cluster[k - 1]! + Number(apart);
  }
  return cluster;
}

/**
 * First and last direction of each cluster of more than one.
 * @param cluster [rank], what {@link clusters} returns
 */
export function clusterRanges(cluster: Int32Array): { first: number; last: number }[] {
  const ranges: { first: number; last: number }[] = [];
  for (let first = 0, next = 0; first < cluster.length; first = next) {
    while (next < cluster.length && cluster[next] === cluster[first]) next++;
    if (next - first > 1) ranges.push({ first, last: next - 1 });
  }
  return ranges;
}
