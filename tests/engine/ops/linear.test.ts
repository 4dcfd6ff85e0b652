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

  // Engines cut large products into tiles, each for a thread or a cache.
  it.each([
    [64, 768, 96],
    [130, 65, 257],
    [300, 47, 33],
    [1, 500, 1030],
  ])('is right where %i rows of %i become ones of %i', (n, rows, cols) => {
    const weight = normals(rows * cols, 1);
    const bias = normals(cols, 2);
    const [x, dy] = [normals(n * rows, 3), normals(n * cols, 4)];
    const row = (from: number[], i: number, width: number) => from.slice(i * width, (i + 1) * width);
    const column = (c: number) => Array.from({ length: rows }, (_, r) => weight[r * cols + c]!);
    const linear = FrozenLinear.upload(
      engine(),
      Float32Array.from(weight),
      rows,
      cols,
      Float32Array.from(bias),
    );
    const [tx, tdy] = [tf.tensor2d(x, [n, rows]), tf.tensor2d(dy, [n, cols])];
    const { y, dx } = resultsOf(() => ({ y: linear.apply(tx), dx: linear.pull(tdy) }));
    const columns = bias.map((_, c) => column(c));
    // All columns of the first and last rows, and of all rows the first and last columns.
    for (const i of [0, n - 1]) {
      expectClose(
        row([...y!], i, cols),
        columns.map((values, c) => dot(row(x, i, rows), values) + bias[c]!),
      );
      expectClose(
        row([...dx!], i, rows),
        Array.from({ length: rows }, (_, r) => dot(row(dy, i, cols), row(weight, r, cols))),
      );
    }
    for (const c of [0, cols - 1])
      expectClose(
        Array.from({ length: n }, (_, i) => y![i * cols + c]!),
        Array.from({ length: n }, (_, i) => dot(row(x, i, rows), columns[c]!) + bias[c]!),
      );
    tf.dispose([tx, tdy]);
    linear.dispose();
  });
});
