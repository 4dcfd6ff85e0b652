/** What a decomposition will take, before it is started: for orders of work, estimates of time, limits of memory. */

export interface Cost {
  /** Floating-point operations, to about a tenth; what else a matrix takes counts as those that would take as long. */
  flops: number;
  /** Bytes a thread needs while it works, input and result included. */
  bytes: number;
}

/** Cost of `Kernels.svd`: products with the long side, then an eigenproblem of the short one. */
export function svdCost(rows: number, cols: number): Cost {
  const n = Math.min(rows, cols);
  const m = Math.max(rows, cols);
  return { flops: 2.6 * n * n * m + 4.7 * n ** 3, bytes: 12 * n * m + 66 * n * n + 4000 * n };
}

/** Cost of `Kernels.svdOfProduct`. */
export function productSvdCost(rows: number, inner: number, cols: number): Cost {
  const both = rows + cols;
  if (inner > Math.min(rows, cols)) {
    const { flops, bytes } = svdCost(rows, cols);
    return { flops: flops + 2 * rows * inner * cols, bytes: bytes + 12 * both * inner };
  }
  return {
    flops: 5 * both * inner * inner + 10 * inner ** 3,
    bytes: 24 * both * inner + 100 * inner * inner,
  };
}
