import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { factorsOf } from '../../src/decompose/factors.js';
import { LayerRoom } from '../../src/decompose/layer-room.js';
import type { FactorJob, SvdJob } from '../../src/decompose/thread-jobs.js';
import { linkedProduct, loadHostKernels } from '../../src/engine/native/host-kernels.js';
import { InputError, InterruptedError } from '../../src/errors.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { allocateThinSvd } from '../../src/kernels/thin-svd.js';
import { listComponents } from '../../src/models/components.js';
import type { Model } from '../../src/models/weights.js';
import { openThreads } from '../../src/pool/threads.js';
import type { WorkerPool } from '../../src/pool/worker-pool.js';
import { gaussian } from '../support/matrices.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

// Threads run the built worker, dist/src/decompose/decompose-thread.js: `npm test` builds it first.
const file = 'src/decompose/decompose-thread.js';
const folder = temporaryFolder();
const kernels = await loadKernels();
let model: Model;
let threads: WorkerPool;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), { layers: 2 });
  model = await openForTest(join(folder, 'model'));
  threads = openThreads({ file, workers: 2 });
});
afterAll(() => threads.close());

const shared = (values: Float32Array) => {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
};

/** One matrix to decompose, and where to. */
function matrix(a: Float32Array, rows: number, cols: number): SvdJob[number] {
  const { u, s, vt } = allocateThinSvd(rows, cols, Math.min(rows, cols));
  return {
    factors: { a: shared(a), b: null, rows, inner: cols, cols },
    svd: { u: shared(u), s: shared(s), vt: shared(vt) },
  };
}

describe('a thread', () => {
  it('leaves a layer’s factors and decomposes what the kernels decompose', async () => {
    const { architecture, qkSplit, path, form } = model;
    const all = listComponents(architecture);
    const room = new LayerRoom(
      all.filter(({ layer }) => layer === 0),
      architecture,
    );
    for (const layer of [1, 0]) {
      const rooms = room.layOut(all.filter((component) => component.layer === layer));
      const components = rooms.map(({ component }) => component);
      const out = rooms.map(({ factors }) => factors);
      const job: FactorJob = { model: { path, form, qkSplit }, layer, components, out };
      await threads.run('factors', job);
      await threads.run(
        'svd',
        rooms.map(({ factors, svd }) => ({ factors, svd })),
      );
      const weights = await model.layer(layer);
      for (const { component, factors, svd } of rooms) {
        const wanted = factorsOf(component, weights, architecture, qkSplit);
        expect(factors).toEqual(wanted);
        const { a, b, rows, inner, cols } = wanted;
        expect(svd).toEqual(b ? kernels.svdOfProduct(a, b, rows, inner, cols) : kernels.svd(a, rows, cols));
      }
    }
  });

  it('lets OpenBLAS multiply where it is linked', async () => {
    const [rows, cols] = [250, 300];
    // Of rows that become ever smaller the last σ depend on every rounding.
    const graded = gaussian(rows, cols, 3).map((x, i) => x * 10 ** ((-12 * Math.floor(i / cols)) / rows));
    const job = matrix(graded, rows, cols);
    await threads.run('svd', [job]);
    const [host, alone] = [await loadHostKernels(), kernels].map((each) =>
      each.svd(job.factors.a, rows, cols),
    );
    expect(job.svd).toEqual(host);
    if (linkedProduct()) expect(job.svd).not.toEqual(alone);
  });

  it('keeps many calls apart', async () => {
    const jobs = Array.from({ length: 40 }, (_, i) => matrix(gaussian(12, 9, i), 12, 9));
    await Promise.all(jobs.map((job) => threads.run('svd', [job])));
    for (const { factors, svd } of jobs) expect(svd).toEqual(kernels.svd(factors.a, 12, 9));
  });

  it('hands on what is wrong with the input, in its own class, and goes on', async () => {
    const a = gaussian(4, 4, 4);
    const damaged = a.slice();
    damaged[5] = Number.NaN;
    const job = threads.run('svd', [matrix(damaged, 4, 4)]);
    await expect(job).rejects.toThrow(InputError);
    await expect(job).rejects.toThrow(/4 × 4 matrix.*NaN/);
    const whole = matrix(a, 4, 4);
    await threads.run('svd', [whole]);
    expect(whole.svd).toEqual(kernels.svd(a, 4, 4));
  });

  it('stops waiting and running calls when their signal fires, and goes on with others', async () => {
    const controller = new AbortController();
    const doomed = Array.from({ length: 6 }, (_, i) =>
      threads.run('svd', [matrix(gaussian(300, 300, i), 300, 300)], controller.signal),
    );
    const other = threads.run('svd', [matrix(gaussian(8, 8, 9), 8, 8)]);
    const settled = Promise.allSettled(doomed);
    controller.abort();
    for (const result of await settled)
      expect(result).toMatchObject({ status: 'rejected', reason: expect.any(InterruptedError) });
    await other;
    await expect(threads.run('svd', [matrix(gaussian(4, 4, 1), 4, 4)], controller.signal)).rejects.toThrow(
      InterruptedError,
    );
  });

  it('is refused where the number of them is none', () => {
    for (const workers of [0, -1, 1.5, Number.NaN])
      expect(() => openThreads({ file, workers })).toThrow(/give a whole number from 1 up/);
  });
});
