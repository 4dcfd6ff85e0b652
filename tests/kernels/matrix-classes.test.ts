/** All sets of WebAssembly kernels on every class of matrix, at sizes beyond all blocks of the kernels, where the reference is too slow. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { referenceProduct } from '../../src/kernels/reference/reference-products.js';
import type { ThinSvd } from '../../src/kernels/thin-svd.js';
import {
  columnsOrthogonality,
  gaussian,
  residual,
  rowsOrthogonality,
  transposed,
  wasmKernelSets,
} from '../support/matrices.js';
import { describeWith, GPT2_SMALL_PART } from '../support/test-data.js';

/** Bounds on what is stored in f32: relative residual, and largest row sum of U^T U − I. */
const BOUND = 2e-6;

const sets = (await wasmKernelSets()).map(([, kernels]) => kernels);
const best = sets[1]!;

const SHAPES: [rows: number, cols: number][] = [
  [110, 300],
  [300, 110],
  [140, 140],
  // Beyond the sides from which products go by parts.
  [200, 210],
];

const CLASSES: [name: string, make: (rows: number, cols: number) => Float32Array][] = [
  ['Gaussian', (rows, cols) => gaussian(rows, cols, 1)],
  [
    'graded, of condition 1e12',
    (rows, cols) => withSpectrum(rows, cols, (k, n) => 10 ** ((-12 * k) / (n - 1))),
  ],
  ['of rank 20', (rows, cols) => withSpectrum(rows, cols, (k) => (k < 20 ? 20 - k : 0))],
  ['of rank 20, exactly', (rows, cols) => integerProduct(rows, 20, cols)],
  ['zero', (rows, cols) => new Float32Array(rows * cols)],
  ['with one repeated σ', (rows, cols) => withSpectrum(rows, cols, () => 3)],
  ['with tied pairs', (rows, cols) => withSpectrum(rows, cols, (k) => 1 / (1 + (k >> 1)))],
  ['of denormal numbers', (rows, cols) => gaussian(rows, cols, 2).map((x) => x * 1e-40)],
  ['sown with denormals', (rows, cols) => gaussian(rows, cols, 3).map((x, i) => (i % 3 ? x * 1e-42 : x))],
  ['centred along one side', (rows, cols) => centred(gaussian(rows, cols, 4), cols)],
  ['with one direction far above the rest', (rows, cols) => withSpectrum(rows, cols, (k) => (k ? 1e-6 : 1))],
];

describe.each(CLASSES)('a matrix %s', (_, make) => {
  it.each(SHAPES)('%i × %i: within the bounds, and the same by all', (rows, cols) => {
    const a = make(rows, cols);
    const found = sets.map((kernels) => kernels.svd(a, rows, cols));
    for (const svd of found) {
      expectDecomposition(a, svd, rows, cols);
      expectSame(found[0]!, svd, rows, cols);
    }
  });
});

it('a matrix wider than all panels of columns', () => {
  const [rows, cols] = [30, 2000];
  const a = gaussian(rows, cols, 5);
  for (const kernels of sets) {
    expectDecomposition(a, kernels.svd(a, rows, cols), rows, cols);
    const tall = transposed(a, rows, cols);
    expectDecomposition(tall, kernels.svd(tall, cols, rows), cols, rows);
  }
});

it('a matrix whose halves are joined by parts', () => {
  const [rows, cols] = [400, 430];
  const a = centred(gaussian(rows, cols, 6), cols);
  const found = sets.map((kernels) => kernels.svd(a, rows, cols));
  for (const svd of found) {
    expectDecomposition(a, svd, rows, cols);
    expectSame(found[0]!, svd, rows, cols);
  }
});

it('products of factors, one graded, one of lower rank', () => {
  const [rows, inner, cols] = [300, 66, 280];
  const graded = withSpectrum(rows, inner, (k) => 10 ** (-k / 10));
  const low = withSpectrum(inner, cols, (k) => (k < 60 ? 1 : 0));
  const dense = referenceProduct(graded, low, { rows, inner, cols });
  const found = sets.map((kernels) => kernels.svdOfProduct(graded, low, rows, inner, cols));
  for (const svd of found) {
    expectDecomposition(dense, svd, rows, cols);
    expectSame(found[0]!, svd, rows, cols);
  }
});

describeWith(GPT2_SMALL_PART, 'real weights of GPT-2 small', () => {
  const [d, h] = [768, 64];

  it.each([4, 5, 9])('layer %i: a head from its factors, and rows of W_O', async (layer) => {
    const source = await openSafetensors(join(GPT2_SMALL_PART.path, 'partial.safetensors'));
    const attention = await source.readFloat32(`h.${layer}.attn.c_attn.weight`);
    const output = await source.readFloat32(`h.${layer}.attn.c_proj.weight`);
    await source.close();
    const columns = (from: number) =>
      Float32Array.from({ length: d * h }, (_, i) => attention[Math.floor(i / h) * 3 * d + from + (i % h)]!);
    const head = layer;
    const [q, k, v] = [0, d, 2 * d].map((start) => columns(start + head * h)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const products: [Float32Array, Float32Array][] = [
      [q, transposed(k, d, h)],
      [v, output.slice(head * h * d, (head + 1) * h * d)],
    ];
    for (const [a, b] of products) {
      const dense = best.gemm(Float64Array.from(a), Float64Array.from(b), { rows: d, inner: h, cols: d });
      const found = sets.map((kernels) => kernels.svdOfProduct(a, b, d, h, d));
      for (const svd of found) {
        expectDecomposition(dense, svd, d, d);
        expectSame(found[0]!, svd, d, d);
      }
    }
    // Some rows of the whole matrix: measuring all of it in plain loops would take a minute.
    const part = output.slice(0, 150 * d);
    const found = sets.map((kernels) => kernels.svd(part, 150, d));
    for (const svd of found) {
      expectDecomposition(part, svd, 150, d);
      expectSame(found[0]!, svd, 150, d);
    }
  });
});

function expectDecomposition(a: ArrayLike<number>, svd: ThinSvd, rows: number, cols: number): void {
  const rank = svd.s.length;
  expect(residual(a, svd, rows, cols)).toBeLessThanOrEqual(BOUND);
  expect(columnsOrthogonality(svd.u, rows, rank)).toBeLessThanOrEqual(BOUND);
  expect(rowsOrthogonality(svd.vt, rank, cols)).toBeLessThanOrEqual(BOUND);
  for (let k = 1; k < rank; k++) expect(svd.s[k]).toBeLessThanOrEqual(svd.s[k - 1]!);
  expect(svd.s[rank - 1]).toBeGreaterThanOrEqual(0);
}

/** Equal σ everywhere; equal vectors, signs included, where σ stands apart from its neighbours and from zero. */
function expectSame(a: ThinSvd, b: ThinSvd, rows: number, cols: number): void {
  const rank = a.s.length;
  const top = a.s[0]!;
  const apart = (k: number) => {
    const above = k > 0 ? a.s[k - 1]! - a.s[k]! : top;
    const below = k < rank - 1 ? a.s[k]! - a.s[k + 1]! : a.s[k]!;
    return Math.min(above, below) > 1e-5 * top;
  };
  let [sigma, vectors] = [0, 0];
  for (let k = 0; k < rank; k++) {
    sigma = Math.max(sigma, Math.abs(a.s[k]! - b.s[k]!));
    if (!apart(k)) continue;
    for (let i = k; i < rows * rank; i += rank) vectors = Math.max(vectors, Math.abs(a.u[i]! - b.u[i]!));
    for (let j = k * cols; j < (k + 1) * cols; j++)
      vectors = Math.max(vectors, Math.abs(a.vt[j]! - b.vt[j]!));
  }
  expect(sigma).toBeLessThanOrEqual(2e-7 * top);
  expect(vectors).toBeLessThanOrEqual(1e-6);
}

/** Given singular values between random directions, rounded to f32 once. */
function withSpectrum(rows: number, cols: number, sigma: (k: number, n: number) => number): Float32Array {
  const rank = Math.min(rows, cols);
  const { u, vt } = best.svd(gaussian(rows, cols, 7), rows, cols);
  const scaled = Float64Array.from(u, (x, i) => x * sigma(i % rank, rank));
  return Float32Array.from(best.gemm(scaled, Float64Array.from(vt), { rows, inner: rank, cols }));
}

/** A product of small whole numbers, which f32 holds exactly, so that its rank is exact as well. */
function integerProduct(rows: number, rank: number, cols: number): Float32Array {
  const small = (count: number, seed: number) => gaussian(1, count, seed).map((x) => Math.round(2 * x));
  const [a, b] = [small(rows * rank, 8), small(rank * cols, 9)];
  return Float32Array.from(best.gemm(a, b, { rows, inner: rank, cols }));
}

/** Each row less its mean. */
function centred(a: Float32Array, cols: number): Float32Array {
  for (let start = 0; start < a.length; start += cols) {
    const row = a.subarray(start, start + cols);
    const mean = row.reduce((sum, x) => sum + x, 0) / cols;
    for (let c = 0; c < cols; c++) row[c]! -= mean;
  }
  return a;
}
