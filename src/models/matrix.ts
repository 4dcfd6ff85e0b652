/** Small host-side matrix helpers on row-major Float32Arrays. */

/**
 * A zeroed Float32Array that worker threads can read without a copy. For what lives long: V8 does not count shared
 * memory, so garbage on it piles up until something else asks for a collection, in every thread that saw it.
 */
export function sharedFloat32(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(4 * length));
}

/** Columns [from, from + count) of a [rows, cols] matrix, as [rows, count]. */
export function columns(
  a: Float32Array,
  rows: number,
  cols: number,
  from: number,
  count: number,
): Float32Array {
  const out = new Float32Array(rows * count);
  for (let r = 0; r < rows; r++) out.set(a.subarray(r * cols + from, r * cols + from + count), r * count);
  return out;
}

/** [cols, rows] from [rows, cols], in blocks that fit the cache. */
export function transpose(a: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(rows * cols);
  const block = 32;
  for (let r0 = 0; r0 < rows; r0 += block)
    for (let c0 = 0; c0 < cols; c0 += block) {
      const r1 = Math.min(r0 + block, rows);
      const c1 = Math.min(c0 + block, cols);
      for (let r = r0; r < r1; r++) for (let c = c0; c < c1; c++) out[c * rows + r] = a[r * cols + c]!;
    }
  return out;
}
