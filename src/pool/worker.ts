/** A thread of the pool: its own kernels, one job at a time. */
import { InputError } from '../errors.js';
import { loadKernels } from '../kernels/kernels.js';
import type { JobResult, ProductJob, SvdJob } from './jobs.js';

const kernels = await loadKernels();

export function svd({ a, rows, cols, out }: SvdJob): JobResult {
  return messageOf(() => kernels.svd(a, rows, cols, out));
}

export function svdOfProduct({ a, b, rows, inner, cols, out }: ProductJob): JobResult {
  return messageOf(() => kernels.svdOfProduct(a, b, rows, inner, cols, out));
}

function messageOf(work: () => void): JobResult {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}
