/** What travels between the pool and its threads: arrays on shared memory, so nothing is copied. */
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
