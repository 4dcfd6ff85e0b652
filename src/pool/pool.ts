/** Decompositions spread over worker threads. */
import { productSvdTarget, svdTarget } from '../kernels/shapes.js';
import type { ThinSvd } from '../kernels/thin-svd.js';
import type { ProductJob, SvdJob } from './jobs.js';
import { openThreads } from './threads.js';

/**
 * Threads that decompose matrices. A call whose signal fires rejects with InterruptedError and its thread is ended;
 * the other calls go on.
 *
 * Each call borrows a block of shared memory for its input and its result; blocks are used again, so that there are
 * as many as calls at a time, and threads never hold another copy outside their kernels. Blocks made for each call
 * would pile up instead: V8 does not count shared memory when it decides to collect garbage.
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
  const idle: SharedArrayBuffer[] = [];

  async function run(
    name: string,
    inputs: readonly Float32Array[],
    result: ThinSvd,
    job: (inputs: Float32Array[], out: ThinSvd) => SvdJob | ProductJob,
    signal: AbortSignal | undefined,
  ): Promise<ThinSvd> {
    const parts = [...inputs, result.u, result.s, result.vt];
    const bytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
    const last = idle.pop();
    const block = last && last.byteLength >= bytes ? last : new SharedArrayBuffer(bytes);
    const views = viewsOn(block, parts);
    const [u, s, vt] = views.slice(inputs.length) as [Float32Array, Float32Array, Float32Array];
    inputs.forEach((input, i) => views[i]!.set(input));
    await threads.run(name, job(views.slice(0, inputs.length), { u, s, vt }), signal);
    result.u.set(u);
    result.s.set(s);
    result.vt.set(vt);
    // Only now: a thread that was stopped may still be writing to its block.
    idle.push(block);
    return result;
  }

  return {
    workers: threads.workers,
    async svd(a, rows, cols, signal) {
      const result = svdTarget(a, rows, cols);
      return run('svd', [a], result, ([a], out) => ({ a: a!, rows, cols, out }), signal);
    },
    async svdOfProduct(a, b, rows, inner, cols, signal) {
      const result = productSvdTarget(a, b, rows, inner, cols);
      const job = ([a, b]: Float32Array[], out: ThinSvd) => ({ a: a!, b: b!, rows, inner, cols, out });
      return run('svdOfProduct', [a, b], result, job, signal);
    },
    close: () => threads.close(),
  };
}

/** Views of the given lengths, one behind the other. */
function viewsOn(block: SharedArrayBuffer, parts: readonly Float32Array[]): Float32Array[] {
  let start = 0;
  return parts.map(({ length, byteLength }) => {
    const view = new Float32Array(block, start, length);
    start += byteLength;
    return view;
  });
}
