import { afterAll, describe, expect, it } from 'vitest';
import { InputError, InterruptedError } from '../../src/errors.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { openPool } from '../../src/pool/pool.js';
import { gaussian } from '../kernels/helpers.js';

// Threads run the built worker, dist/src/pool/worker.js: `npm test` builds it first.
const pool = openPool({ workers: 2 });
const kernels = await loadKernels();
afterAll(() => pool.close());

describe('openPool', () => {
  it('computes what the kernels compute', async () => {
    const a = gaussian(30, 20, 1);
    const svd = await pool.svd(a, 30, 20);
    expect(svd).toEqual(kernels.svd(a, 30, 20));

    const b = gaussian(20, 40, 2);
    const product = await pool.svdOfProduct(a, b, 30, 20, 40);
    expect(product).toEqual(kernels.svdOfProduct(a, b, 30, 20, 40));
  });

  it('takes views, on shared memory too, and leaves them alone', async () => {
    const all = new Float32Array(new SharedArrayBuffer(4 * 1000));
    all.set(gaussian(1, 1000, 3));
    const view = all.subarray(100, 700);
    const before = all.slice();
    expect(await pool.svd(view, 30, 20)).toEqual(kernels.svd(view.slice(), 30, 20));
    expect([...all]).toEqual([...before]);
  });

  it('keeps many calls apart', async () => {
    const matrices = Array.from({ length: 40 }, (_, i) => gaussian(12, 9, i));
    const found = await Promise.all(matrices.map((matrix) => pool.svd(matrix, 12, 9)));
    found.forEach((svd, i) => expect(svd).toEqual(kernels.svd(matrices[i]!, 12, 9)));
  });

  it('hands on what is wrong with the input, in its own class', async () => {
    const a = gaussian(4, 4, 4);
    a[5] = Number.NaN;
    await expect(pool.svd(a, 4, 4)).rejects.toThrow(InputError);
    await expect(pool.svd(a, 4, 4)).rejects.toThrow(/4 × 4 matrix.*NaN/);
    await expect(pool.svd(a, 4, 5)).rejects.toThrow(RangeError);
    await expect(pool.svdOfProduct(a, a, 4, 4, 3)).rejects.toThrow(RangeError);
    expect((await pool.svd(gaussian(4, 4, 5), 4, 4)).s.length).toBe(4);
  });

  it('stops waiting and running calls when their signal fires, and goes on with others', async () => {
    const controller = new AbortController();
    const doomed = Array.from({ length: 6 }, (_, i) =>
      pool.svd(gaussian(300, 300, i), 300, 300, controller.signal),
    );
    const other = pool.svd(gaussian(8, 8, 9), 8, 8);
    const settled = Promise.allSettled(doomed);
    controller.abort();
    for (const result of await settled)
      expect(result).toMatchObject({ status: 'rejected', reason: expect.any(InterruptedError) });
    expect((await other).s.length).toBe(8);
    await expect(pool.svd(gaussian(4, 4, 1), 4, 4, controller.signal)).rejects.toThrow(InterruptedError);
  });

  it('refuses a number of workers that is none', () => {
    for (const workers of [0, -1, 1.5, Number.NaN])
      expect(() => openPool({ workers })).toThrow(/give a whole number from 1 up/);
  });
});
