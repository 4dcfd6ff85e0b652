/**
 * Plain reference for the decompositions: one-sided Jacobi rotations in double precision (M. Hestenes, 1958).
 * Slow, short, and accurate by its very form; the WebAssembly kernels are held against it.
 */
import type { ThinSvd } from '../thin-svd.js';

const MAX_SWEEPS = 60;

/** Writes the triplets of A [rows, cols] with the largest σ, as many as `out` has room for; see Kernels.svd. */
export function referenceSvd(a: ArrayLike<number>, rows: number, cols: number, out: ThinSvd): ThinSvd {
  const rank = out.s.length;
  const tall = rows > cols;
  const long = Math.max(rows, cols);
  const short = Math.min(rows, cols);
  const z = Array.from({ length: short }, (_, i) =>
    Float64Array.from({ length: long }, (_, j) => (tall ? a[j * cols + i]! : a[i * cols + j]!)),
  );
  const x = Array.from({ length: short }, (_, i) => unit(short, i));
  orthogonaliseRows(z, x);

  const sigma = z.map((row) => Math.sqrt(dot(row, row)));
  const order = sigma.map((_, i) => i).sort((i, j) => sigma[j]! - sigma[i]!);
  const floor = long * Number.EPSILON * sigma[order[0]!]!;
  const found: Float64Array[] = [];
  for (let k = 0; k < rank; k++) {
    const i = order[k]!;
    const zero = sigma[i]! <= floor;
    const direction = zero ? completion(found, long) : z[i]!.map((value) => value / sigma[i]!);
    found.push(direction);
    out.s[k] = zero ? 0 : sigma[i]!;
    const [left, right] = tall ? [direction, x[i]!] : [x[i]!, direction];
    const sign = leadingEntry(left) < 0 ? -1 : 1;
    for (let r = 0; r < rows; r++) out.u[r * rank + k] = sign * left[r]!;
    for (let c = 0; c < cols; c++) out.vt[k * cols + c] = sign * right[c]!;
  }
  return out;
}

/** Rotates pairs of rows of Z, and those of X with them, until all rows of Z are orthogonal: their lengths are Z's σ. */
export function orthogonaliseRows(z: Float64Array[], x: Float64Array[] = []): void {
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let rotated = false;
    for (let p = 0; p < z.length; p++) {
      for (let q = p + 1; q < z.length; q++) {
        const [pp, qq, pq] = [dot(z[p]!, z[p]!), dot(z[q]!, z[q]!), dot(z[p]!, z[q]!)];
        if (Math.abs(pq) <= Number.EPSILON * Math.sqrt(pp * qq)) continue;
        rotated = true;
        const zeta = (qq - pp) / (2 * pq);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        rotate(z[p]!, z[q]!, c, c * t);
        if (x.length > 0) rotate(x[p]!, x[q]!, c, c * t);
      }
    }
    if (!rotated) return;
  }
}

function rotate(p: Float64Array, q: Float64Array, c: number, s: number): void {
  for (let i = 0; i < p.length; i++) {
    const [a, b] = [p[i]!, q[i]!];
    p[i] = c * a - s * b;
    q[i] = s * a + c * b;
  }
}

/** A unit vector orthogonal to those given, fewer than n: the axis that sticks out most, made orthogonal twice. */
function completion(vectors: Float64Array[], n: number): Float64Array {
  const inside = (axis: number) => vectors.reduce((sum, v) => sum + v[axis]! ** 2, 0);
  let best = 0;
  for (let axis = 1; axis < n; axis++) if (inside(axis) < inside(best)) best = axis;
  const direction = unit(n, best);
  for (let pass = 0; pass < 2; pass++)
    for (const v of vectors) {
      const along = dot(direction, v);
      for (let i = 0; i < n; i++) direction[i]! -= along * v[i]!;
    }
  const norm = Math.sqrt(dot(direction, direction));
  return direction.map((value) => value / norm);
}

/** The first entry whose magnitude is the largest, to within 1e-6. */
function leadingEntry(v: Float64Array): number {
  const largest = v.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return v.find((value) => Math.abs(value) >= (1 - 1e-6) * largest)!;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

function unit(n: number, axis: number): Float64Array {
  const e = new Float64Array(n);
  e[axis] = 1;
  return e;
}
