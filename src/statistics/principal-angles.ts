/** Angles between subspaces (Å. Björck and G. Golub, "Numerical methods for computing angles between linear subspaces", 1973). */
import { orthogonaliseRows } from '../kernels/reference/reference-svd.js';

/**
 * The principal angles between the spans of two sets of vectors, in radians, smallest first: 0 for each dimension that
 * both share, π/2 for one that is orthogonal to the other span. As many as the smaller span has dimensions.
 *
 * @param a vectors of one length, not necessarily independent
 * @example principalAngles([[1, 0]], [[1, 1]]) // [π/4]
 */
export function principalAngles(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number[] {
  return anglesBetween(orthonormal(a), orthonormal(b));
}

/** The same of orthonormal bases. */
export function anglesBetween(a: readonly Float64Array[], b: readonly Float64Array[]): number[] {
  const [few, many] = a.length <= b.length ? [a, b] : [b, a];
  // A small angle is exact by its sine, a large one by its cosine.
  const inside = few.map((row) => many.map((other) => dot(row, other)));
  const outside = few.map((row, i) =>
    row.map((value, at) => value - many.reduce((sum, other, j) => sum + inside[i]![j]! * other[at]!, 0)),
  );
  const cosines = singularValues(inside);
  const sines = singularValues(outside).reverse();
  return cosines.map((cosine, i) =>
    cosine ** 2 < 0.5 ? Math.acos(cosine) : Math.asin(Math.min(1, sines[i]!)),
  );
}

/** An orthonormal basis of a span, by Gram and Schmidt, twice; what depends on those before is left out. */
export function orthonormal(vectors: readonly ArrayLike<number>[]): Float64Array[] {
  const basis: Float64Array[] = [];
  for (const vector of vectors) {
    const rest = Float64Array.from(vector);
    const length = Math.sqrt(dot(rest, rest));
    for (let pass = 0; pass < 2; pass++)
      for (const other of basis) {
        const along = dot(rest, other);
        for (let i = 0; i < rest.length; i++) rest[i]! -= along * other[i]!;
      }
    const left = Math.sqrt(dot(rest, rest));
    if (left > 1e-10 * length) basis.push(rest.map((value) => value / left));
  }
  return basis;
}

/** Descending; as many as there are rows. */
function singularValues(rows: ArrayLike<number>[]): number[] {
  // Those of the rows' coordinates in their own span are the same, and those rows are shorter.
  const axes = orthonormal(rows);
  const turned = rows.map((row) => Float64Array.from(axes, (axis) => dot(row, axis)));
  orthogonaliseRows(turned);
  return turned.map((row) => Math.sqrt(dot(row, row))).sort((a, b) => b - a);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}
