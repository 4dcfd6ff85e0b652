/** Normalisations of rows, and the rate of a normalisation behind a matrix, with their pullbacks. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  normalise,
  normalisePull,
  normalisePullOnto,
  outputRate,
  outputRatePull,
} from '../../../src/engine/ops/norm.js';
import { describeOnEngines } from '../../support/engines.js';
import { dot, expectClose, normals, resultsOf, rowsIn, slopes } from '../../support/operations.js';
import { outputRate as rateOf } from '../../support/reference-forward.js';

const [N, D, EPSILON] = [4, 15, 1e-2];

/** (x − mean)/√(var + ε), or x/√(mean x² + ε), row by row. */
function definition(x: number[], kind: 'layer' | 'rms'): number[] {
  return rowsIn(x, D).flatMap((row) => {
    const mean = kind === 'layer' ? row.reduce((sum, value) => sum + value, 0) / D : 0;
    const square = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / D;
    return row.map((value) => (value - mean) / Math.sqrt(square + EPSILON));
  });
}

describeOnEngines('normalisation', () => {
  it.each(['layer', 'rms'] as const)('of kind %s', (kind) => {
    const x = normals(N * D, 1).map((value) => Math.fround(0.5 + 2 * value));
    const dy = normals(N * D, 2);
    const [tx, tdy] = [tf.tensor2d(x, [N, D]), tf.tensor2d(dy, [N, D])];
    const onto = tf.tensor3d(x, [2, N / 2, D]);
    const { y, dx, sum } = resultsOf(() => {
      const normalised = normalise(tx, kind, EPSILON);
      const dx = normalisePull(tdy, normalised, kind);
      const sum = normalisePullOnto(tdy, normalised, kind, onto);
      expect(sum.shape).toEqual(onto.shape);
      normalised.rate.dispose();
      return { y: normalised.y, dx, sum };
    });
    expectClose(y, definition(x, kind));
    expectClose(
      dx,
      slopes((input) => dot(dy, definition(input, kind)), x),
    );
    expectClose(
      sum,
      dx!.map((value, at) => x[at]! + value),
    );
    tf.dispose([tx, tdy, onto]);
  });

  it('behind a matrix', () => {
    const [y, weights] = [normals(N * D, 3), normals(D, 4).map((value) => Math.fround(value ** 2))];
    const dRate = normals(N, 5);
    const definition = (input: number[]) =>
      rowsIn(input, D).map((row) => rateOf(row, Float32Array.from(weights), EPSILON));
    const [ty, tWeights, tdRate] = [tf.tensor2d(y, [N, D]), tf.tensor1d(weights), tf.tensor2d(dRate, [N, 1])];
    const { rate, dy } = resultsOf(() => {
      const rate = outputRate(ty, tWeights, EPSILON);
      return { rate, dy: outputRatePull(tdRate, ty, rate, tWeights) };
    });
    expectClose(rate, definition(y));
    expectClose(
      dy,
      slopes((input) => dot(dRate, definition(input)), y),
    );
    tf.dispose([ty, tWeights, tdRate]);
  });
});
