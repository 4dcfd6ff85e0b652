/** What decompositions are said to take, and the memory that they do take. */
import { describe, expect, it } from 'vitest';
import { compileKernels, type HostProduct, instantiate } from '../../src/kernels/instance.js';
import { productSvdCost, svdCost } from '../../src/kernels/svd-cost.js';
import { plainHostProduct } from '../support/host-product.js';
import { gaussian } from '../support/matrices.js';

const { module } = await compileKernels();

describe('costs', () => {
  it('does not depend on which side is the long one', () => {
    expect(svdCost(30, 70)).toEqual(svdCost(70, 30));
  });

  it('makes a head far cheaper than its dense product', () => {
    const [head, dense] = [productSvdCost(769, 64, 769), svdCost(769, 769)];
    expect(head.flops).toBeLessThan(dense.flops / 20);
    expect(head.bytes).toBeLessThan(dense.bytes / 5);
  });

  it('counts the product where that is formed', () => {
    expect(productSvdCost(20, 50, 30).flops).toBeGreaterThan(svdCost(20, 30).flops);
  });

  /** Bytes up to the last one written, input and result included; of a matrix, not a product, where inner = cols. */
  function written(rows: number, inner: number, cols: number, hostProduct?: HostProduct): number {
    const room = { memory: new WebAssembly.Memory({ initial: 1 }), base: 64, limit: 0 };
    const { memory, svd, svdOfProduct } = instantiate(module, { room, hostProduct });
    const start = memory.allocate(0);
    const rank = Math.min(rows, inner, cols);
    const [u, s, vt] = [rows * rank, rank, rank * cols].map((n) => memory.allocate(4 * n)) as [
      number,
      number,
      number,
    ];
    if (inner < cols) {
      const [a, b] = [memory.copyIn(gaussian(rows, inner, 1)), memory.copyIn(gaussian(inner, cols, 2))];
      svdOfProduct({ rows, inner, cols, a, b, u, s, vt });
    } else {
      const a = rows > cols ? u : vt;
      memory.view(Float32Array, a, rows * cols).set(gaussian(rows, cols, 1));
      svd({ rows, cols, a, u, s, vt });
    }
    const numbers = new Uint32Array(room.memory.buffer);
    return 4 * numbers.findLastIndex((number) => number !== 0) + 4 - start;
  }

  it.each([
    [10, 10],
    [64, 2000],
    [400, 100],
    [200, 800],
    [769, 1500],
  ])('counts all memory of %i × %i', (rows, cols) => {
    expect(written(rows, cols, cols)).toBeLessThanOrEqual(svdCost(rows, cols).bytes);
  });

  it.each([
    [300, 64, 300],
    [400, 64, 65],
    [100, 99, 100],
  ])('counts all memory of %i × %i times %i columns', (rows, inner, cols) => {
    expect(written(rows, inner, cols)).toBeLessThanOrEqual(productSvdCost(rows, inner, cols).bytes);
  });

  it('counts all memory where a host multiplies', () => {
    expect(written(200, 800, 800, plainHostProduct)).toBeLessThanOrEqual(svdCost(200, 800).bytes);
    for (const [rows, inner, cols] of [
      [300, 64, 300],
      [100, 99, 100],
    ] as const)
      expect(written(rows, inner, cols, plainHostProduct)).toBeLessThanOrEqual(
        productSvdCost(rows, inner, cols).bytes,
      );
  });
});
