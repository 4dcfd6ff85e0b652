import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { referenceProduct } from '../../src/kernels/reference/reference-products.js';
import { referenceSvd } from '../../src/kernels/reference/reference-svd.js';
import { allocateThinSvd, type ThinSvd } from '../../src/kernels/thin-svd.js';
import {
  columnsOrthogonality,
  gaussian,
  kernelSets,
  residual,
  rowsOrthogonality,
  transposed,
} from '../support/matrices.js';

/** Bounds on what is stored in f32: relative residual, and largest row sum of U^T U − I. */
const RESIDUAL = 2e-6;
const ORTHOGONALITY = 2e-6;

const sets = await kernelSets();

function expectDecomposition(a: ArrayLike<number>, svd: ThinSvd, rows: number, cols: number): void {
  const rank = svd.s.length;
  expect(residual(a, svd, rows, cols)).toBeLessThanOrEqual(RESIDUAL);
  expect(columnsOrthogonality(svd.u, rows, rank)).toBeLessThanOrEqual(ORTHOGONALITY);
  expect(rowsOrthogonality(svd.vt, rank, cols)).toBeLessThanOrEqual(ORTHOGONALITY);
  for (let k = 1; k < rank; k++) expect(svd.s[k]).toBeLessThanOrEqual(svd.s[k - 1]!);
  expect(svd.s[rank - 1]).toBeGreaterThanOrEqual(0);
  for (let k = 0; k < rank; k++) expect(leadingEntry(svd, rows, k)).toBeGreaterThan(0);
}

/** The entry of u_k that decides its sign; rounding to f32 widens the tie by 1e-7. */
function leadingEntry({ u, s }: ThinSvd, rows: number, k: number): number {
  const column = Array.from({ length: rows }, (_, i) => u[i * s.length + k]!);
  const largest = Math.max(...column.map(Math.abs));
  const clear = column.filter((entry) => Math.abs(entry) >= (1 - 3e-6) * largest);
  return clear.length > 1 ? Math.abs(clear[0]!) : clear[0]!;
}

/** A random orthogonal matrix [n, n], as the left vectors of a Gaussian one. */
function orthogonal(n: number, seed: number): Float32Array {
  return referenceSvd(gaussian(n, n, seed), n, n, allocateThinSvd(n, n, n)).u;
}

/** A matrix with given singular values between random directions, rounded to f32 once. */
function withSpectrum(rows: number, cols: number, sigma: (k: number) => number, seed: number): Float32Array {
  const rank = Math.min(rows, cols);
  const u = orthogonal(rows, seed);
  const v = orthogonal(cols, seed + 1);
  const scaled = new Float64Array(rows * rank);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < rank; k++) scaled[i * rank + k] = u[i * rows + k]! * sigma(k);
  const right = v.subarray(0, rank * cols);
  return Float32Array.from(referenceProduct(scaled, right, { rows, inner: rank, cols }));
}

const SPECTRA: [name: string, sigma: (k: number) => number][] = [
  ['graded over 12 decades', (k) => 10 ** (-12 * (k / 36))],
  ['of rank 5', (k) => (k < 5 ? 5 - k : 0)],
  ['of one repeated singular value', () => 3],
  ['with clusters', (k) => 8 - Math.floor(k / 6) - 1e-7 * k],
  ['one large among small', (k) => (k === 0 ? 1e6 : 1 / (k + 1))],
  ['of denormal size', (k) => 1e-39 / (k + 1)],
  ['of huge size', (k) => 1e37 / (k + 1)],
];

const SHAPES: [rows: number, cols: number][] = [
  [37, 37],
  [61, 37],
  [37, 61],
];

describe.each(sets)('svd, %s kernels', (_, kernels) => {
  it.each([
    [1, 1],
    [1, 9],
    [9, 1],
    [2, 2],
    [3, 2],
    [64, 64],
    [65, 130],
    [130, 65],
  ])('decomposes a Gaussian %i × %i matrix', (rows, cols) => {
    const a = gaussian(rows, cols, rows * 1000 + cols);
    expectDecomposition(a, kernels.svd(a, rows, cols), rows, cols);
  });

  describe.each(SPECTRA)('a matrix %s', (_, sigma) => {
    it.each(SHAPES)('%i × %i', (rows, cols) => {
      const a = withSpectrum(rows, cols, sigma, 11);
      const svd = kernels.svd(a, rows, cols);
      expectDecomposition(a, svd, rows, cols);
      // Rounding the matrix to f32 moves each singular value by at most the norm of the rounding.
      const slack = 1e-5 * sigma(0) + 1e-44;
      svd.s.forEach((value, k) => expect(Math.abs(value - sigma(k))).toBeLessThanOrEqual(slack));
    });
  });

  it('decomposes matrices whose rows and columns are graded', () => {
    const [rows, cols] = [50, 40];
    const a = gaussian(rows, cols, 5).map(
      (x, i) => x * 10 ** (-0.3 * (i % cols) - 0.25 * Math.floor(i / cols)),
    );
    expectDecomposition(a, kernels.svd(a, rows, cols), rows, cols);
  });

  it('decomposes a matrix sown with denormals, zero rows and zero columns', () => {
    const [rows, cols] = [48, 33];
    const a = gaussian(rows, cols, 6).map((x, i) => {
      if (i % cols === 7 || Math.floor(i / cols) % 5 === 0) return 0;
      return i % 3 === 0 ? x * 1e-42 : x;
    });
    const svd = kernels.svd(a, rows, cols);
    expectDecomposition(a, svd, rows, cols);
    expect(svd.s[cols - 1]).toBe(0);
  });

  it('completes the bases of a zero matrix', () => {
    const svd = kernels.svd(new Float32Array(20 * 30), 20, 30);
    expectDecomposition(new Float32Array(20 * 30), svd, 20, 30);
    expect([...svd.s]).toEqual(new Array(20).fill(0));
  });

  it('decomposes the identity, a diagonal and a permutation exactly', () => {
    const n = 24;
    const diagonal = new Float32Array(n * n);
    for (let i = 0; i < n; i++) diagonal[i * n + ((i * 5) % n)] = i % 2 ? -(i + 1) : i + 1;
    const { s } = kernels.svd(diagonal, n, n);
    expect([...s]).toEqual(Array.from({ length: n }, (_, k) => n - k));
  });

  it('gives the transpose the same singular values and swapped vectors, up to sign', () => {
    const [rows, cols] = [30, 20];
    const a = gaussian(rows, cols, 8);
    const upright = kernels.svd(a, rows, cols);
    const lying = kernels.svd(transposed(a, rows, cols), cols, rows);
    for (let k = 0; k < cols; k++) {
      expect(Math.abs(upright.s[k]! - lying.s[k]!)).toBeLessThanOrEqual(1e-6 * upright.s[0]!);
      let along = 0;
      for (let i = 0; i < rows; i++) along += upright.u[i * cols + k]! * lying.vt[k * rows + i]!;
      expect(Math.abs(along)).toBeGreaterThan(1 - 1e-5);
    }
  });

  it('holds its bounds for any shape, scale and rank', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: -30, max: 30 }),
        fc.integer(),
        (rows, cols, rank, exponent, seed) => {
          const [left, right] = [gaussian(rows, rank, seed), gaussian(rank, cols, seed + 1)];
          const a = Float32Array.from(
            referenceProduct(left, right, { rows, inner: rank, cols }),
            (x) => x * 10 ** exponent,
          );
          expectDecomposition(a, kernels.svd(a, rows, cols), rows, cols);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('writes into given arrays, on shared memory too, and leaves its input alone', () => {
    const a = new Float32Array(new SharedArrayBuffer(4 * 6 * 4));
    a.set(gaussian(6, 4, 9));
    const before = [...a];
    const shared = (length: number) => new Float32Array(new SharedArrayBuffer(4 * length));
    const out = { u: shared(24), s: shared(4), vt: shared(16) };
    expect(kernels.svd(a, 6, 4, out)).toBe(out);
    expect([...a]).toEqual(before);
    expectDecomposition(a, out, 6, 4);
  });

  it('refuses NaN and infinity wherever they stand', () => {
    const side = fc.integer({ min: 1, max: 12 });
    const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    fc.assert(
      fc.property(side, side, side, fc.nat(), bad, (rows, inner, cols, at, value) => {
        const [a, b] = [gaussian(rows, inner, 1), gaussian(inner, cols, 2)];
        const spoilt = (matrix: Float32Array) => {
          const copy = matrix.slice();
          copy[at % copy.length] = value;
          return copy;
        };
        const attempts = [
          () => kernels.svd(spoilt(a), rows, inner),
          () => kernels.svdOfProduct(spoilt(a), b, rows, inner, cols),
          () => kernels.svdOfProduct(a, spoilt(b), rows, inner, cols),
          () => kernels.svdOfProduct(spoilt(a), new Float32Array(b.length), rows, inner, cols),
        ];
        for (const attempt of attempts) expect(attempt).toThrow(InputError);
      }),
      { numRuns: 100 },
    );
  });

  it('refuses NaN and infinity in what is large enough for products of a host', () => {
    const side = fc.integer({ min: 42, max: 70 });
    const bad = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    fc.assert(
      fc.property(side, side, side, fc.boolean(), fc.nat(), bad, (rows, inner, cols, right, at, value) => {
        const factors = [gaussian(rows, inner, 1), gaussian(inner, cols, 2)] as const;
        const spoilt = factors[right ? 1 : 0];
        spoilt[at % spoilt.length] = value;
        expect(() => kernels.svdOfProduct(...factors, rows, inner, cols)).toThrow(InputError);
        factors[right ? 0 : 1].fill(0);
        expect(() => kernels.svdOfProduct(...factors, rows, inner, cols)).toThrow(InputError);
      }),
      { numRuns: 20 },
    );
  });

  it('refuses NaN, infinity and arrays of the wrong length', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const a = gaussian(5, 7, 1);
      a[17] = bad;
      expect(() => kernels.svd(a, 5, 7)).toThrow(InputError);
      expect(() => kernels.svd(a, 7, 5)).toThrow(/NaN or infinity/);
      expect(() => kernels.svdOfProduct(a, gaussian(7, 6, 2), 5, 7, 6)).toThrow(InputError);
      expect(() => kernels.svdOfProduct(gaussian(9, 5, 2), a, 9, 5, 7)).toThrow(InputError);
    }
    expect(() => kernels.svd(new Float32Array(11), 3, 4)).toThrow(/11 entries/);
    expect(() => kernels.svd(new Float32Array(0), 0, 4)).toThrow(RangeError);
    expect(() => kernels.svd(new Float32Array(12), 3, 4, allocateThinSvd(3, 4, 2))).toThrow(RangeError);
  });
});

describe.each(sets)('svdOfProduct, %s kernels', (_, kernels) => {
  it.each([
    [50, 8, 50],
    [40, 33, 70],
    [70, 1, 40],
    [20, 20, 20],
    [12, 30, 20],
    [20, 30, 12],
    [30, 25, 20],
    [1, 1, 1],
  ])('decomposes %i × %i times %i columns', (rows, inner, cols) => {
    const a = gaussian(rows, inner, 21);
    const b = gaussian(inner, cols, 22);
    const dense = referenceProduct(a, b, { rows, inner, cols });
    const svd = kernels.svdOfProduct(a, b, rows, inner, cols);
    expect(svd.s.length).toBe(Math.min(rows, inner, cols));
    expectDecomposition(dense, svd, rows, cols);
    const { s } = referenceSvd(dense, rows, cols, allocateThinSvd(rows, cols, svd.s.length));
    svd.s.forEach((value, k) => expect(Math.abs(value - s[k]!)).toBeLessThanOrEqual(1e-6 * s[0]!));
  });

  it('completes the bases where a factor has dependent columns or is zero', () => {
    const [rows, inner, cols] = [30, 6, 25];
    const a = gaussian(rows, inner, 31);
    for (let i = 0; i < rows; i++) a[i * inner + 4] = 2 * a[i * inner + 1]!;
    const b = gaussian(inner, cols, 32);
    b.fill(0, 2 * cols, 3 * cols);
    const svd = kernels.svdOfProduct(a, b, rows, inner, cols);
    expectDecomposition(referenceProduct(a, b, { rows, inner, cols }), svd, rows, cols);
    expect([...svd.s.subarray(4)]).toEqual([0, 0]);
    const none = kernels.svdOfProduct(new Float32Array(rows * inner), b, rows, inner, cols);
    expectDecomposition(new Float64Array(rows * cols), none, rows, cols);
  });

  it('holds its bounds whatever the condition of the factors', () => {
    const condition = fc.double({ min: 0, max: 12, noNaN: true });
    fc.assert(
      fc.property(condition, condition, fc.integer(), (left, right, seed) => {
        const [rows, inner, cols] = [60, 16, 45];
        const graded = (decades: number) => (k: number) => 10 ** ((-decades * k) / (inner - 1));
        const a = withSpectrum(rows, inner, graded(left), seed);
        const b = withSpectrum(inner, cols, graded(right), seed + 2);
        const svd = kernels.svdOfProduct(a, b, rows, inner, cols);
        expectDecomposition(referenceProduct(a, b, { rows, inner, cols }), svd, rows, cols);
      }),
      { numRuns: 30 },
    );
  });

  it('holds its bounds where columns nearly agree, or are graded, or share a large first row', () => {
    const [rows, inner, cols] = [50, 12, 40];
    const decades = fc.double({ min: -12, max: 1, noNaN: true });
    fc.assert(
      fc.property(decades, decades, decades, fc.integer(), (apart, step, bias, seed) => {
        const a = gaussian(rows, inner, seed);
        for (let i = 0; i < rows; i++) a[i * inner + 5] = a[i * inner]! + 10 ** apart * a[i * inner + 5]!;
        for (let j = 0; j < inner; j++) a[j]! *= 10 ** (-bias / 2);
        const graded = a.map((x, i) => x * 10 ** ((step * (i % inner)) / (inner - 1)));
        const b = gaussian(inner, cols, seed + 1);
        const svd = kernels.svdOfProduct(graded, b, rows, inner, cols);
        expectDecomposition(referenceProduct(graded, b, { rows, inner, cols }), svd, rows, cols);
      }),
      { numRuns: 60 },
    );
  });

  it('loses nothing where two columns of a factor come ever closer', () => {
    const [rows, inner, cols] = [300, 24, 40];
    const [a, b] = [gaussian(rows, inner, 41), gaussian(inner, cols, 42)];
    for (let decades = 0; decades <= 8; decades += 0.25) {
      const near = a.slice();
      for (let i = 0; i < rows; i++) near[i * inner + 5] = a[i * inner]! + 10 ** -decades * a[i * inner + 5]!;
      const { u } = kernels.svdOfProduct(near, b, rows, inner, cols);
      expect(columnsOrthogonality(u, rows, inner)).toBeLessThanOrEqual(3e-7);
    }
  });

  it('holds its bounds for any shape', () => {
    const side = fc.integer({ min: 1, max: 30 });
    fc.assert(
      fc.property(side, side, side, fc.integer(), (rows, inner, cols, seed) => {
        const [a, b] = [gaussian(rows, inner, seed), gaussian(inner, cols, seed + 1)];
        const svd = kernels.svdOfProduct(a, b, rows, inner, cols);
        const dense = referenceProduct(a, b, { rows, inner, cols });
        const { s, u, vt } = svd;
        expect(columnsOrthogonality(u, rows, s.length)).toBeLessThanOrEqual(ORTHOGONALITY);
        expect(rowsOrthogonality(vt, s.length, cols)).toBeLessThanOrEqual(ORTHOGONALITY);
        expect(residual(dense, svd, rows, cols)).toBeLessThanOrEqual(RESIDUAL);
      }),
      { numRuns: 40 },
    );
  });
});
