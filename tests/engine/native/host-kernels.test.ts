/** OpenBLAS's products on the kernels' memory: the same as in plain loops, whatever the strides. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkedProduct } from '../../../src/engine/native/host-kernels.js';
import type { HostProductArguments } from '../../../src/kernels/instance.js';
import { plainHostProduct } from '../../support/host-product.js';
import { gaussian } from '../../support/matrices.js';

const product = linkedProduct();

describe.skipIf(!product)(
  `products of a linked OpenBLAS${product ? '' : ' (skipped: it is not linked)'}`,
  () => {
    it('are those of plain loops, and write nothing but their result', () => {
      // Both strides of a vector may be 1, which does not say which way it lies; of B, one column may be left over.
      const side = fc.integer({ min: 2, max: 40 });
      const columns = fc.integer({ min: 1, max: 40 });
      const gap = fc.integer({ min: 0, max: 9 });
      const turned = fc.boolean();
      fc.assert(
        fc.property(
          ...[fc.constantFrom(0, 1, 2), side, columns, side, turned, turned, gap, gap, gap],
          (mode, m, n, k, aTurned, bTurned, aGap, bGap, cGap) => {
            const [aRun, bRun, cRun] = [(aTurned ? m : k) + aGap, (bTurned ? k : n) + bGap, n + cGap];
            const [aSize, bSize] = [aRun * (aTurned ? k : m), bRun * (bTurned ? n : k)];
            const values = Float64Array.from(gaussian(1, 3 + aSize + bSize + cRun * m, 1));
            const call: HostProductArguments = [
              ...([mode, m, n, k] as const),
              ...([24, aTurned ? 1 : aRun, aTurned ? aRun : 1] as const),
              ...([8 * (3 + aSize), bTurned ? 1 : bRun, bTurned ? bRun : 1] as const),
              ...([8 * (3 + aSize + bSize), cRun] as const),
            ];
            const [found, expected] = [values.slice(), values.slice()];
            product!(found.buffer, ...call);
            plainHostProduct(expected.buffer, ...call);
            for (let i = 0; i < values.length; i++)
              expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-11);
          },
        ),
        { numRuns: 200 },
      );
    });

    it('refuse what is no memory, and fewer numbers', () => {
      const call: HostProductArguments = [0, 2, 2, 2, 0, 2, 1, 0, 2, 1, 0, 2];
      expect(() => product!([] as unknown as ArrayBuffer, ...call)).toThrow('a memory and twelve numbers');
      const fewer = call.with(-1, undefined as unknown as number) as HostProductArguments;
      expect(() => product!(new ArrayBuffer(32), ...fewer)).toThrow('a memory and twelve numbers');
    });
  },
);
