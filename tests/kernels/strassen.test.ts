/** Products by seven parts for eight, or by a host: the same as those of the reference, whatever the sizes leave over. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileKernels, instantiate, type WasmCalls } from '../../src/kernels/instance.js';
import { referenceProduct } from '../../src/kernels/reference/reference-products.js';
import { plainHostProduct } from '../support/host-product.js';
import { gaussian } from '../support/matrices.js';

/** Sides from which a product goes by parts, by parts of those, and by theirs. */
const [ONE_LEVEL, TWO_LEVELS, THREE_LEVELS] = [192, 384, 768];

const { variant: best } = await compileKernels();

function widened(rows: number, cols: number, seed: number): Float64Array {
  return Float64Array.from(gaussian(rows, cols, seed));
}

/** Largest error, of products of matrices with entries near 1. */
function largestError(found: Float64Array, exact: ArrayLike<number>): number {
  return found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - exact[i]!)), 0);
}

describe.each([
  ...(best === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const)),
  'products of the host' as const,
])('multiply, %s', (name) => {
  async function kernels(): Promise<WasmCalls> {
    if (name !== 'products of the host') return instantiate((await compileKernels(name)).module);
    return instantiate((await compileKernels()).module, { hostProduct: plainHostProduct });
  }

  function expectProduct(wasm: WasmCalls, m: number, k: number, n: number, seed: number): void {
    const [a, b] = [widened(m, k, seed), widened(k, n, seed + 1)];
    const exact = referenceProduct(a, b, { rows: m, inner: k, cols: n });
    wasm.memory.scoped(() => {
      const c = wasm.memory.allocate(8 * m * n);
      const operands = { a: wasm.memory.copyIn(a), b: wasm.memory.copyIn(b) };
      wasm.multiply({ m, n, k, ...operands, aRow: k, aCol: 1, bRow: n, bCol: 1, c, cRow: n });
      expect(largestError(wasm.memory.view(Float64Array, c, m * n), exact)).toBeLessThan(1e-11);
    });
  }

  it.each([
    [1, 1, 1],
    [40, 30, 20],
    [ONE_LEVEL - 1, ONE_LEVEL, 7],
    [ONE_LEVEL, ONE_LEVEL, 12],
    [ONE_LEVEL + 1, ONE_LEVEL + 3, 405],
    [TWO_LEVELS, TWO_LEVELS, 24],
    [TWO_LEVELS + 1, TWO_LEVELS + 1, 31],
    [THREE_LEVELS + 1, THREE_LEVELS + 2, 10],
    [TWO_LEVELS, 2150, 5],
  ])('multiplies %i × %i by %i columns', async (m, k, n) => {
    expectProduct(await kernels(), m, k, n, 1);
  });

  it('multiplies any sizes', async () => {
    const wasm = await kernels();
    const side = fc.integer({ min: ONE_LEVEL, max: TWO_LEVELS + 50 });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 40 }), fc.integer(), (m, k, n, seed) => {
        expectProduct(wasm, m, k, n, seed);
      }),
      { numRuns: 15 },
    );
  });

  it('takes operands by columns', async () => {
    const wasm = await kernels();
    const [m, k, n] = [ONE_LEVEL + 5, ONE_LEVEL + 2, 405];
    const [a, b] = [widened(k, m, 3), widened(n, k, 4)];
    const exact = referenceProduct(a, b, { rows: m, inner: k, cols: n, transposeA: true, transposeB: true });
    const c = wasm.memory.allocate(8 * m * n);
    const operands = { a: wasm.memory.copyIn(a), b: wasm.memory.copyIn(b) };
    wasm.multiply({ m, n, k, ...operands, aRow: 1, aCol: m, bRow: 1, bCol: k, c, cRow: n });
    expect(largestError(wasm.memory.view(Float64Array, c, m * n), exact)).toBeLessThan(1e-11);
  });

  it('writes over its right operand', async () => {
    const wasm = await kernels();
    const [n, cols] = [ONE_LEVEL + 5, 500];
    const [a, b] = [widened(n, n, 3), widened(n, cols, 4)];
    const exact = referenceProduct(a, b, { rows: n, inner: n, cols });
    const [left, z] = [wasm.memory.copyIn(a), wasm.memory.copyIn(b)];
    const over = { b: z, bRow: cols, bCol: 1, c: z, cRow: cols };
    wasm.multiply({ m: n, n: cols, k: n, a: left, aRow: n, aCol: 1, ...over });
    expect(largestError(wasm.memory.view(Float64Array, z, n * cols), exact)).toBeLessThan(1e-11);
  });
});
