/** The products that stand in for the backend's, held to plain loops, in every form that tf.matMul may ask for. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine } from '../../../src/engine/engine.js';
import { activate, activatePull } from '../../../src/engine/ops/activation.js';
import { FrozenLinear } from '../../../src/engine/ops/linear.js';
import { referenceProduct } from '../../../src/kernels/reference/reference-products.js';
import { gaussian } from '../../support/matrices.js';

beforeAll(() => openEngine({ engine: 'wasm' }));

const [ROWS, INNER, COLS] = [5, 7, 14];

/** Values of so many matrices. */
const several = (count: number, rows: number, cols: number, seed: number) =>
  gaussian(count * rows, cols, seed);

describe.each([
  [false, false],
  [false, true],
  [true, false],
  [true, true],
])('transposed %s, %s', (transposeA, transposeB) => {
  it.each([
    { outerA: [], outerB: [] },
    { outerA: [3], outerB: [3] },
    { outerA: [2, 3], outerB: [2, 3] },
    { outerA: [2, 3], outerB: [] },
    { outerA: [1], outerB: [4] },
    { outerA: [2, 2], outerB: [1, 1] },
  ])('multiplies $outerA matrices by $outerB', ({ outerA, outerB }) => {
    const [countA, countB] = [tf.util.sizeFromShape(outerA), tf.util.sizeFromShape(outerB)];
    const [a, b] = [several(countA, ROWS, INNER, 1), several(countB, INNER, COLS, 2)];
    const ta = tf.tensor(a, [...outerA, ...(transposeA ? [INNER, ROWS] : [ROWS, INNER])]);
    const tb = tf.tensor(b, [...outerB, ...(transposeB ? [COLS, INNER] : [INNER, COLS])]);
    const product = tf.matMul(ta, tb, transposeA, transposeB);
    const shape = { rows: ROWS, inner: INNER, cols: COLS, transposeA, transposeB };
    const count = Math.max(countA, countB);
    const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
    expect(product.shape).toEqual([...outer, ROWS, COLS]);
    const found = product.dataSync();
    for (let i = 0; i < count; i++) {
      const ofA = countA === 1 ? a : a.subarray(i * ROWS * INNER, (i + 1) * ROWS * INNER);
      const ofB = countB === 1 ? b : b.subarray(i * INNER * COLS, (i + 1) * INNER * COLS);
      const exact = referenceProduct(ofA, ofB, shape);
      exact.forEach((value, at) => expect(found[i * ROWS * COLS + at]).toBeCloseTo(value, 5));
    }
    tf.dispose([ta, tb, product]);
  });

  // In one pass over the inner indices, and in several, of which one alone may add it.
  it.each([INNER, 1100])('adds a bias to sums of %i', (inner) => {
    const [a, b, bias] = [gaussian(ROWS, inner, 1), gaussian(inner, COLS, 2), gaussian(1, COLS, 3)];
    const given = {
      a: tf.tensor2d(a, transposeA ? [inner, ROWS] : [ROWS, inner]),
      b: tf.tensor2d(b, transposeB ? [COLS, inner] : [inner, COLS]),
      bias: tf.tensor1d(bias),
    };
    const sum = tf.fused.matMul({ ...given, transposeA, transposeB });
    const exact = referenceProduct(a, b, { rows: ROWS, inner, cols: COLS, transposeA, transposeB });
    const found = sum.dataSync();
    exact.forEach((value, at) => expect(found[at]).toBeCloseTo(value + bias[at % COLS]!, 4));
    tf.dispose([given, sum] as tf.TensorContainer);
  });
});

it('gives zeros where there is nothing to add up, and leaves to the backend what else a fused product may do', () => {
  const none = tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3]));
  expect([...none.dataSync()]).toEqual([0, 0, 0, 0, 0, 0]);
  const [a, b] = [tf.tensor2d([[1, -1]]), tf.tensor2d([[2], [3]])];
  const bent = tf.fused.matMul({ a, b, activation: 'relu' });
  expect([...bent.dataSync()]).toEqual([0]);
  tf.dispose([none, a, b, bent]);
});

it('holds where the memory grows in between', () => {
  const [a, b] = [tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])];
  const large = tf.ones([2 ** 24]);
  const product = tf.matMul(a, b);
  expect([...product.dataSync()]).toEqual([11]);
  tf.dispose([a, b, large, product]);
});

// In one block of rows and of inner indices, and in several.
describe.each([
  [5, 7, 14],
  [100, 1100, 13],
])('of %i rows that pass an activation, %i long, by %i columns', (rows, inner, cols) => {
  it.each(['plain', 'short rows'])('multiplies as in two steps, %s', (stored) => {
    const prefersShortRows = stored !== 'plain';
    const matrix = (from: number, to: number) =>
      FrozenLinear.upload({ prefersShortRows }, gaussian(from, to, 1), from, to, gaussian(1, to, 2));
    const [after, before] = [matrix(inner, cols), matrix(cols, inner)];
    const [x, dy] = [tf.tensor2d(gaussian(rows, inner, 3), [rows, inner]), tf.randomNormal([rows, inner])];
    for (const kind of ['relu', 'silu', 'gelu_new', 'gelu'] as const) {
      tf.tidy(() => {
        const apart = after.apply(activate(x, kind, false).y).dataSync();
        after
          .applyActivated(x, kind)
          .dataSync()
          .forEach((value, at) => {
            expect(value).toBeCloseTo(apart[at]!, 4);
          });
        const pulled = before.pull(activatePull(dy as tf.Tensor2D, x, kind)).dataSync();
        before
          .pullActivated(dy as tf.Tensor2D, x, kind)
          .dataSync()
          .forEach((value, at) => {
            expect(value).toBeCloseTo(pulled[at]!, 4);
          });
      });
    }
    tf.dispose([x, dy]);
    for (const each of [after, before]) each.dispose();
  });
});

// More columns than a run holds, rows that are few and just not, inner indices in one part and in several.
it('multiplies few rows by matrices of all shapes', () => {
  const shape = fc.record({
    rows: fc.constantFrom(1, 32, 95, 97, 129),
    inner: fc.constantFrom(1, 18, 130, 1030),
    cols: fc.constantFrom(1, 12, 97, 961, 6200),
  });
  fc.assert(
    fc.property(shape, fc.boolean(), fc.nat(), ({ rows, inner, cols }, transposeB, seed) => {
      const [a, b] = [gaussian(rows, inner, seed), gaussian(inner, cols, seed + 1)];
      const found = tf.tidy(() => {
        const second = tf.tensor2d(b, transposeB ? [cols, inner] : [inner, cols]);
        return tf.matMul(tf.tensor2d(a, [rows, inner]), second, false, transposeB).dataSync();
      });
      expect(found.length).toBe(rows * cols);
      for (let at = 0; at < found.length; at += 1 + (found.length >> 9)) {
        const [row, col] = [Math.floor(at / cols), at % cols];
        let exact = 0;
        for (let p = 0; p < inner; p++)
          exact += a[row * inner + p]! * b[transposeB ? col * inner + p : p * cols + col]!;
        expect(Math.abs(found[at]! - exact)).toBeLessThan(1e-5 * (1 + inner));
      }
    }),
    { numRuns: 40 },
  );
});
