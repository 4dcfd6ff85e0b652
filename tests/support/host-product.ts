/** Products that kernels let their host do, in plain loops: what a library must give them. */
import type { HostProduct } from '../../src/kernels/instance.js';

/** As {@link HostProduct} says, one entry after the other. */
export const plainHostProduct: HostProduct = (
  memory,
  ...[mode, m, n, k, a, aRow, aCol, b, bRow, bCol, c, cRow]
) => {
  // Addresses of the memory's upper half come as negative numbers.
  const [x, y, z] = [a, b, c].map((address) => new Float64Array(memory, address >>> 0)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += x[i * aRow + p * aCol]! * y[p * bRow + j * bCol]!;
      const at = i * cRow + j;
      z[at] = mode === 0 ? sum : mode === 1 ? z[at]! + sum : z[at]! - sum;
    }
};
