/** What travels between the pool and its threads: views on one block of shared memory. */
import type { ThinSvd } from '../kernels/thin-svd.js';

export interface SvdJob {
  a: Float32Array;
  rows: number;
  cols: number;
  /** Where the thread writes its result. */
  out: ThinSvd;
}

export interface ProductJob extends SvdJob {
  b: Float32Array;
  inner: number;
}
