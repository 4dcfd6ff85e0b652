import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceProduct, referenceProjection } from '../../src/kernels/reference/products.js';
import { gaussian, kernelSets } from './helpers.js';

const sets = await kernelSets();
const ORIENTATIONS = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);

/** Largest error relative to Σ|a||b|, the size that rounding is measured by. */
function largestError(
  found: ArrayLike<number>,
  a: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
  shape: Parameters<typeof referenceProduct>[2],
): number {
  const exact = referenceProduct(a, b, shape);
  const sizes = referenceProduct(a.map(Math.abs), b.map(Math.abs), shape);
  return exact.reduce(
    (worst, value, i) => Math.max(worst, Math.abs(found[i]! - value) / (sizes[i]! || 1)),
    0,
  );
}

describe.each(sets)('gemm, %s kernels', (_, kernels) => {
  describe.each(ORIENTATIONS)('transposeA $transposeA, transposeB $transposeB', (orientation) => {
    // Around the tile (3 × 12 in f32, 3 × 6 in f64), and beyond one block of rows, inner indices and columns.
    it.each([
      [1, 1, 1],
      [3, 4, 12],
      [4, 5, 13],
      [97, 7, 25],
      [5, 1030, 7],
      [2, 3, 970],
    ])('multiplies %i × %i by %i columns in f32 and f64', (rows, inner, cols) => {
      const shape = { rows, inner, cols, ...orientation };
      const [a, b] = [gaussian(rows, inner, 1), gaussian(inner, cols, 2)];
      expect(largestError(kernels.gemm(a, b, shape), a, b, shape)).toBeLessThan(3e-7 * Math.sqrt(inner));
      const [a64, b64] = [Float64Array.from(a), Float64Array.from(b)];
      expect(largestError(kernels.gemm(a64, b64, shape), a64, b64, shape)).toBeLessThan(1e-14);
    });

    it('multiplies any shape', () => {
      const side = fc.integer({ min: 1, max: 50 });
      fc.assert(
        fc.property(side, side, side, fc.integer(), (rows, inner, cols, seed) => {
          const shape = { rows, inner, cols, ...orientation };
          const [a, b] = [gaussian(rows, inner, seed), gaussian(inner, cols, seed + 1)];
          expect(largestError(kernels.gemm(a, b, shape), a, b, shape)).toBeLessThan(1e-6);
        }),
        { numRuns: 30 },
      );
    });
  });

  it('writes over what the given result held, and hands it back', () => {
    const out = new Float32Array(4).fill(Number.NaN);
    const result = kernels.gemm(gaussian(2, 3, 1), gaussian(3, 2, 2), { rows: 2, inner: 3, cols: 2 }, out);
    expect(result).toBe(out);
    expect([...out].every(Number.isFinite)).toBe(true);
  });

  it('refuses arrays that do not fit the shape', () => {
    const [a, b] = [gaussian(2, 3, 1), gaussian(3, 2, 2)];
    expect(() => kernels.gemm(a, b, { rows: 2, inner: 2, cols: 2 })).toThrow(/6 entries/);
    expect(() => kernels.gemm(a, b, { rows: 2, inner: 3, cols: 1.5 })).toThrow(/1.5/);
    expect(() => kernels.gemm(a, b, { rows: 2, inner: 3, cols: 2 }, new Float32Array(3))).toThrow(RangeError);
  });
});

describe.each(sets)('project, %s kernels', (_, kernels) => {
  it.each([
    ['with a bias row', 1],
    ['without a bias row', 0],
  ])('gives the coefficients %s', (_, bias) => {
    const [rows, width, rank] = [70, 33, 21];
    const x = gaussian(rows, width, 1);
    const directions = { u: gaussian(width + bias, rank, 2), s: gaussian(1, rank, 3).map(Math.abs) };
    const found = kernels.project(x, rows, directions);
    const exact = referenceProjection(x, rows, directions);
    for (let i = 0; i < found.length; i++) expect(Math.abs(found[i]! - exact[i]!)).toBeLessThan(1e-5 * width);
  });

  it('gives σ back for the directions themselves', () => {
    const [rows, cols] = [12, 9];
    const a = gaussian(rows, cols, 4);
    const { u, s, vt } = kernels.svd(a, rows, cols);
    // Rows of V^T are inputs whose images under the transpose are σ_k u_k.
    const found = kernels.project(a, rows, { u: transpose(vt, cols), s: new Float32Array(cols).fill(1) });
    for (let i = 0; i < rows; i++)
      for (let k = 0; k < cols; k++) expect(found[i * cols + k]).toBeCloseTo(s[k]! * u[i * cols + k]!, 5);
  });

  it('refuses directions of another width', () => {
    const directions = { u: new Float32Array(10), s: new Float32Array(2) };
    expect(() => kernels.project(new Float32Array(12), 2, directions)).toThrow(/u has 10 entries/);
    expect(() => kernels.project(new Float32Array(13), 2, directions)).toThrow(RangeError);
  });
});

function transpose(a: Float32Array, n: number): Float32Array {
  return a.map((_, i) => a[(i % n) * n + Math.floor(i / n)]!);
}
