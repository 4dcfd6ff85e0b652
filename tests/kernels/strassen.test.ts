/** Products by seven parts for eight: the same as those of the reference, whatever the sizes leave over. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileKernels, instantiate, type WasmCalls } from '../../src/kernels/instance.js';
import { referenceProduct } from '../../src/kernels/reference/reference-products.js';
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

describe.each(best === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const))(
  'multiply, %s',
  (variant) => {
    async function kernels(): Promise<WasmCalls> {
      return instantiate((await compileKernels(variant)).module);
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

    it('takes operands by columns, and writes over its right one', async () => {
      const wasm = await kernels();
      const [n, cols, seed] = [ONE_LEVEL + 5, 500, 3];
      const [a, b] = [widened(n, n, seed), widened(n, cols, seed + 1)];
      const exact = referenceProduct(a, b, { rows: n, inner: n, cols, transposeA: true });
      const z = wasm.memory.copyIn(b);
      const left = wasm.memory.copyIn(a);
      wasm.multiply({
        m: n,
        n: cols,
        k: n,
        a: left,
        aRow: 1,
        aCol: n,
        b: z,
        bRow: cols,
        bCol: 1,
        c: z,
        cRow: cols,
      });
      expect(largestError(wasm.memory.view(Float64Array, z, n * cols), exact)).toBeLessThan(1e-11);
    });
  },
);
