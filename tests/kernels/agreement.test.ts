import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../src/kernels/reference/reference-kernels.js';
import { clusters } from '../../src/kernels/thin-svd.js';
import { gaussian, wasmKernelSets } from '../support/matrices.js';

const sets = (await wasmKernelSets()).map(([, kernels]) => kernels);
const [rows, cols] = [90, 70];
const a = gaussian(rows, cols, 3);

describe('all sets of kernels', () => {
  it('give the same directions with the same signs', () => {
    const expected = referenceKernels.svd(a, rows, cols);
    for (const kernels of sets) {
      const svd = kernels.svd(a, rows, cols);
      svd.s.forEach((value, k) =>
        expect(Math.abs(value - expected.s[k]!)).toBeLessThan(2e-7 * expected.s[0]!),
      );
      svd.u.forEach((value, i) => expect(Math.abs(value - expected.u[i]!)).toBeLessThan(2e-6));
      svd.vt.forEach((value, i) => expect(Math.abs(value - expected.vt[i]!)).toBeLessThan(2e-6));
    }
  });

  it('give the same bits twice', () => {
    for (const kernels of sets) expect(kernels.svd(a, rows, cols)).toEqual(kernels.svd(a, rows, cols));
  });

  it('fix the sign of a direction whose largest entries are tied', () => {
    // Every left vector of a Hadamard matrix times a diagonal has entries ± 1/√n.
    const n = 16;
    const matrix = Float32Array.from({ length: n * n }, (_, p) => {
      const [i, j] = [Math.floor(p / n), p % n];
      return (parity(i & j) ? -1 : 1) * (j + 1);
    });
    for (const kernels of [referenceKernels, ...sets]) {
      const { u, s } = kernels.svd(matrix, n, n);
      expect([...clusters(s)]).toEqual(Array.from({ length: n }, (_, k) => k));
      for (let k = 0; k < n; k++) expect(u[k]).toBeCloseTo(1 / Math.sqrt(n), 6);
    }
  });
});

function parity(bits: number): boolean {
  let odd = false;
  for (; bits > 0; bits &= bits - 1) odd = !odd;
  return odd;
}
