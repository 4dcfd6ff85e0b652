import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceProduct } from '../../src/kernels/reference/reference-products.js';
import { gaussian, kernelSets } from '../support/matrices.js';

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
