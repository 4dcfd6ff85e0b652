/** Multiplication by a frozen matrix, high and low: engines store them in different ways. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { it } from 'vitest';
import { FrozenLinear } from '../../../src/engine/ops/linear.js';
import { describeOnEngines } from '../../support/engines.js';
import { dot, expectClose, normals, resultsOf, rowsIn, slopes } from '../../support/operations.js';

describeOnEngines('a frozen matrix', (engine) => {
  it('gives x·W + b, and the gradient by x', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        fc.nat(1000),
        (n, rows, cols, biased, seed) => {
          const [weight, bias] = [normals(rows * cols, seed), biased ? normals(cols, seed + 1) : null];
          const [x, dy] = [normals(n * rows, seed + 2), normals(n * cols, seed + 3)];
          const definition = (input: number[]) =>
            rowsIn(input, rows).flatMap((row) =>
              Array.from({ length: cols }, (_, c) =>
                row.reduce((sum, value, r) => sum + value * weight[r * cols + c]!, bias?.[c] ?? 0),
              ),
            );
          const linear = FrozenLinear.upload(
            engine(),
            Float32Array.from(weight),
            rows,
            cols,
            bias && Float32Array.from(bias),
          );
          const [tx, tdy] = [tf.tensor2d(x, [n, rows]), tf.tensor2d(dy, [n, cols])];
          const { y, dx } = resultsOf(() => ({ y: linear.apply(tx), dx: linear.pull(tdy) }));
          expectClose(y, definition(x));
          expectClose(
            dx,
            slopes((input) => dot(dy, definition(input)), x),
          );
          tf.dispose([tx, tdy]);
          linear.dispose();
        },
      ),
      { numRuns: 20 },
    );
  });
});
