/** Products of the native engine, whoever makes them on this machine, held to sums in double precision. */
import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openEngine } from '../../../src/engine/engine.js';
import { hasOnePass, onePass } from '../../../src/engine/ops/one-pass.js';
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
    { what: 'few rows and a last panel that is not full', rows: 67, inner: 797, cols: 283 },
    { what: 'rows, columns and depth of several tiles', rows: 530, inner: 391, cols: 385 },
    { what: 'more rows than one tile has', rows: 1100, inner: 129, cols: 286 },
    { what: 'few rows of more depth than is summed at once', rows: 130, inner: 2069, cols: 101 },
  ])('of $what', (shape) => {
    for (const transposed of [false, true])
      for (const biased of [false, true]) check(shape, transposed, biased, 1);
  });

  it('of all shapes', () => {
    const shape = fc.record({
      rows: fc.integer({ min: 1, max: 130 }),
      inner: fc.integer({ min: 1, max: 300 }),
      cols: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(shape, fc.boolean(), fc.boolean(), fc.nat(), (shape, transposed, biased, seed) =>
        check(shape, transposed, biased, seed),
      ),
      { numRuns: 60 },
    );
  });

  it.each(['x', 'weight', 'weight, transposed'])(
    'say of what is not a number that it is none: of %s',
    (where) => {
      const transposed = where === 'weight, transposed';
      // 144 columns fill panels, so that our own loops take the product where they can.
      const size = 144;
      const [x, weight] = [gaussian(size, size, 1), gaussian(size, size, 2)];
      // A NaN whose every bit is set: what rounds it as a number makes 0 of it.
      const [at, factor] = [5 * size + 7, where === 'x' ? x : weight];
      new Uint32Array(factor.buffer, factor.byteOffset)[at] = 0x7fffffff;
      const product = tf.tidy(() =>
        tf
          .matMul(tf.tensor2d(x, [size, size]), tf.tensor2d(weight, [size, size]), false, transposed)
          .dataSync(),
      );
      const touched = (i: number) =>
        where === 'x' ? Math.floor(i / size) === 5 : i % size === (transposed ? 5 : 7);
      product.forEach((value, i) => expect(Number.isNaN(value)).toBe(touched(i)));
    },
  );

  it('are zeros, or the bias, where there is nothing to add up', () => {
    const sums = tf.tidy(() => {
      const [a, b] = [tf.zeros<tf.Rank.R2>([2, 0]), tf.zeros<tf.Rank.R2>([0, 3])];
      return [tf.matMul(a, b), tf.fused.matMul({ a, b, bias: tf.tensor1d([1, 2, 3]) })].map((sum) => [
        ...sum.dataSync(),
      ]);
    });
    expect(sums).toEqual([
      [0, 0, 0, 0, 0, 0],
      [1, 2, 3, 1, 2, 3],
    ]);
  });

  it.runIf(existsSync('/proc/cpuinfo'))(
    'are the matrix unit’s only where the processor has one',
    async () => {
      const { version } = await openEngine({ engine: 'native-cpu' });
      const here =
        /\bamx_bf16\b/.test(readFileSync('/proc/cpuinfo', 'utf8')) && !process.env.ONEDNN_MAX_CPU_ISA;
      if (version.includes('AMX')) expect(here).toBe(true);
    },
  );

  it('are said to be held where the environment holds them', async () => {
    const said = async (isa: string, core: string) => {
      vi.stubEnv('ONEDNN_MAX_CPU_ISA', isa);
      vi.stubEnv('OPENBLAS_CORETYPE', core);
      const { version } = await openEngine({ engine: 'native-cpu' });
      vi.unstubAllEnvs();
      return version.replace(/^TensorFlow \S+( with OpenBLAS( and AMX)?)?/, '');
    };
    expect(await said('', '')).toBe('');
    expect(await said('', 'Haswell')).toBe(' (OPENBLAS_CORETYPE=Haswell)');
    expect(await said('AVX2', 'Haswell')).toBe(' (ONEDNN_MAX_CPU_ISA=AVX2, OPENBLAS_CORETYPE=Haswell)');
  });

  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('by head, heads side by side; transposed %s, with a bias %s', (transposed, biased) => {
    const name = biased ? 'OrthoscopeBiasedByHead' : 'OrthoscopeByHead';
    if (!hasOnePass(name)) return;
    // More rows than one part has, and heads of another width before than after.
    const [heads, rows, inner, cols] = [3, 401, 10, 7];
    const x = gaussian(rows, heads * inner, 1);
    const [matrices, bias] = [gaussian(heads * inner, cols, 2), gaussian(heads, cols, 3)];
    const found = tf.tidy(() => {
      const stored = tf.tensor3d(matrices, transposed ? [heads, cols, inner] : [heads, inner, cols]);
      const inputs = [tf.tensor2d(x, [rows, heads * inner]), stored];
      if (biased) inputs.push(tf.tensor3d(bias, [heads, 1, cols]));
      return onePass(name, inputs, { flag: transposed })[0]!.dataSync();
    });
    for (let head = 0; head < heads; head++) {
      const own = Float32Array.from({ length: rows * inner }, (_, i) => {
        const [row, at] = [Math.floor(i / inner), i % inner];
        return x[row * heads * inner + head * inner + at]!;
      });
      const matrix = matrices.subarray(head * inner * cols, (head + 1) * inner * cols);
      const exact = referenceProduct(own, matrix, { rows, inner, cols, transposeB: transposed });
      exact.forEach((value, i) => {
        const [row, col] = [Math.floor(i / cols), i % cols];
        const wanted = value + (biased ? bias[head * cols + col]! : 0);
        expect(found[row * heads * cols + head * cols + col]).toBeCloseTo(wanted, 4);
      });
    }
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
