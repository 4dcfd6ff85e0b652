/** Products of the native engine, whoever makes them on this machine, held to sums in double precision. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openEngine } from '../../../src/engine/engine.js';
import { referenceProduct } from '../../../src/kernels/reference/reference-products.js';
import { availableEngines } from '../../support/engines.js';
import { gaussian } from '../../support/matrices.js';

interface Shape {
  rows: number;
  inner: number;
  cols: number;
}

describe.runIf(availableEngines().includes('native-cpu'))('products', () => {
  beforeAll(() => openEngine({ engine: 'native-cpu' }));

  it.each<Shape & { what: string }>([
    { what: 'several blocks of each', rows: 300, inner: 800, cols: 150 },
    { what: 'blocks that end within a tile', rows: 309, inner: 1553, cols: 273 },
    { what: 'one row', rows: 1, inner: 1024, cols: 515 },
    { what: 'one column', rows: 700, inner: 600, cols: 1 },
    { what: 'whole tiles', rows: 64, inner: 768, cols: 256 },
  ])('of $what', (shape) => {
    for (const transposed of [false, true])
      for (const biased of [false, true]) check(shape, transposed, biased, 1);
  });

  it('of all shapes', () => {
    const shape = fc.record({
      rows: fc.integer({ min: 1, max: 100 }),
      inner: fc.integer({ min: 1, max: 200 }),
      cols: fc.integer({ min: 1, max: 200 }),
    });
    fc.assert(
      fc.property(shape, fc.boolean(), fc.boolean(), fc.nat(), (shape, transposed, biased, seed) =>
        check(shape, transposed, biased, seed),
      ),
      { numRuns: 60 },
    );
  });

  it('say of what is not a number that it is none', () => {
    const [x, weight] = [gaussian(128, 128, 1), gaussian(128, 128, 2)];
    x[5 * 128 + 7] = Number.NaN;
    const product = tf.tidy(() =>
      tf.matMul(tf.tensor2d(x, [128, 128]), tf.tensor2d(weight, [128, 128])).dataSync(),
    );
    product.forEach((value, at) => expect(Number.isNaN(value)).toBe(Math.floor(at / 128) === 5));
  });
});

/**
 * Each number differs from the exact one by at most 2⁻¹⁴ of the sum of its terms' sizes (`amx.cc`: 2⁻¹⁶ for what each
 * factor's two parts leave, as much for the product of second parts, and what adding up rounds), and all of them by
 * 10⁻⁵ of their norm.
 */
function check({ rows, inner, cols }: Shape, transposed: boolean, biased: boolean, seed: number): void {
  const [x, weight, bias] = [
    gaussian(rows, inner, seed),
    gaussian(inner, cols, seed + 1),
    gaussian(1, cols, seed + 2),
  ];
  const found = tf.tidy(() => {
    const [a, b] = [
      tf.tensor2d(x, [rows, inner]),
      tf.tensor2d(weight, transposed ? [cols, inner] : [inner, cols]),
    ];
    const given = { a, b, transposeB: transposed };
    return (
      biased ? tf.fused.matMul({ ...given, bias: tf.tensor1d(bias) }) : tf.matMul(a, b, false, transposed)
    ).dataSync();
  });
  const shape = { rows, inner, cols, transposeB: transposed };
  const exact = referenceProduct(x, weight, shape);
  const sizes = referenceProduct(x.map(Math.abs), weight.map(Math.abs), shape);
  let [error, norm] = [0, 0];
  exact.forEach((value, at) => {
    const wanted = value + (biased ? bias[at % cols]! : 0);
    const off = Math.abs(found[at]! - wanted);
    if (!(off <= (sizes[at]! + Math.abs(wanted)) * 2 ** -14)) expect([at, found[at]]).toEqual([at, wanted]);
    error += off ** 2;
    norm += wanted ** 2;
  });
  // A single number may be small by chance.
  if (exact.length >= 100) expect(Math.sqrt(error / norm)).toBeLessThan(1e-5);
}
