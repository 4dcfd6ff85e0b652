/** How long a planned decomposition will take here. */
import { loadHostKernels } from '../engine/native/host-kernels.js';
import { loadKernels, type WasmKernels } from '../kernels/kernels.js';
import { leastSeconds } from '../least-seconds.js';
import type { DecompositionPlan } from './decomposition-plan.js';

/**
 * What a decomposition's operations take, in those of one f64 product (bench/costs.ts compares): most are products, by
 * WebAssembly or by a library of the machine; the rest is WebAssembly's everywhere, and slower than its products.
 */
const [PRODUCTS, REST] = [0.85, 0.5];
/** A product that fits the caches as the decompositions' own products do, and is over before others interrupt it. */
const SIDE = 192;

/** Seconds, to about a third: measured on one core for a moment. */
export async function expectedSeconds({ flops, workers, missing }: DecompositionPlan): Promise<number> {
  if (missing.length === 0) return 0;
  const [products, rest] = [
    await secondsAnOperation(await loadHostKernels()),
    await secondsAnOperation(await loadKernels()),
  ];
  return (flops * (PRODUCTS * products + REST * rest)) / workers;
}

/** Of one f64 product. */
async function secondsAnOperation(kernels: WasmKernels): Promise<number> {
  const [a, out] = [new Float64Array(SIDE * SIDE).fill(1), new Float64Array(SIDE * SIDE)];
  const product = await leastSeconds(() => {
    kernels.gemm(a, a, { rows: SIDE, inner: SIDE, cols: SIDE }, out);
  });
  return product / (2 * SIDE ** 3);
}
