/** Decompositions spread over worker threads. */
import { productSvdTarget, svdTarget } from '../kernels/shapes.js';
import type { ThinSvd } from '../kernels/thin-svd.js';
import type { ProductJob, SvdJob } from './jobs.js';
import { openThreads } from './threads.js';

/**
 * Threads that decompose matrices. Inputs on shared memory are read where they lie, others are copied there once;
 * results lie on shared memory. A call whose signal fires rejects with InterruptedError and its thread is ended;
 * the other calls go on.
 */
export interface Pool {
  readonly workers: number;
  /** See {@link Kernels.svd}. */
  svd(a: Float32Array, rows: number, cols: number, signal?: AbortSignal): Promise<ThinSvd>;
  /** See {@link Kernels.svdOfProduct}. */
  svdOfProduct(
    a: Float32Array,
    b: Float32Array,
    rows: number,
    inner: number,
    cols: number,
    signal?: AbortSignal,
  ): Promise<ThinSvd>;
  /** Waits for what runs, then ends the threads. */
  close(): Promise<void>;
}

/**
 * Opens a pool; close it when done, since its threads keep the process alive.
 * @param workers threads, as many as the machine runs at once unless given
 * @throws InputError unless workers is a positive integer
 */
export function openPool({ workers }: { workers?: number } = {}): Pool {
  const threads = openThreads({ file: 'src/pool/worker.js', workers });

  async function run(name: string, job: SvdJob | ProductJob, signal?: AbortSignal): Promise<ThinSvd> {
    await threads.run(name, job, signal);
    return job.out;
  }

  return {
    workers: threads.workers,
    async svd(a, rows, cols, signal) {
      const out = svdTarget(a, rows, cols, 'shared');
      return run('svd', { a: onSharedMemory(a), rows, cols, out }, signal);
    },
    async svdOfProduct(a, b, rows, inner, cols, signal) {
      const out = productSvdTarget(a, b, rows, inner, cols, 'shared');
      const job = { a: onSharedMemory(a), b: onSharedMemory(b), rows, inner, cols, out };
      return run('svdOfProduct', job, signal);
    },
    close: () => threads.close(),
  };
}

function onSharedMemory(array: Float32Array): Float32Array {
  if (array.buffer instanceof SharedArrayBuffer) return array;
  const shared = new Float32Array(new SharedArrayBuffer(array.byteLength));
  shared.set(array);
  return shared;
}
