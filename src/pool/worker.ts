/** A thread of the pool: its own kernels, one job at a time. */
import { loadKernels } from '../kernels/kernels.js';
import type { ProductJob, SvdJob } from './jobs.js';
import { answering } from './threads.js';

const kernels = await loadKernels();

export const svd = answering(({ a, rows, cols, out }: SvdJob): void => {
  kernels.svd(a, rows, cols, out);
});

export const svdOfProduct = answering(({ a, b, rows, inner, cols, out }: ProductJob): void => {
  kernels.svdOfProduct(a, b, rows, inner, cols, out);
});
