/** How long a planned decomposition will take here. */
import { loadKernels } from '../kernels/kernels.js';
import { leastSeconds } from '../least-seconds.js';
import type { DecompositionPlan } from './decomposition-plan.js';

/** Share of the speed of one f64 product that whole decompositions reach on each thread (bench/kernels.ts). */
const SHARE = 0.75;
/** A product that fits the caches as the decompositions' own products do, and is over before others interrupt it. */
const SIDE = 192;

/** Seconds, to about a third: measured on one core for a moment. */
export async function expectedSeconds({ flops, workers, missing }: DecompositionPlan): Promise<number> {
  if (missing.length === 0) return 0;
  const kernels = await loadKernels();
  const [a, out] = [new Float64Array(SIDE * SIDE).fill(1), new Float64Array(SIDE * SIDE)];
  const product = await leastSeconds(() => {
    kernels.gemm(a, a, { rows: SIDE, inner: SIDE, cols: SIDE }, out);
  });
  return flops / (SHARE * workers * ((2 * SIDE ** 3) / product));
}
