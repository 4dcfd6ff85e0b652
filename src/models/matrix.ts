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
export function transpose(
  a: Float32Array,
  rows: number,
  cols: number,
  out: Float32Array = new Float32Array(rows * cols),
): Float32Array {
  const block = 32;
  for (let r = 0; r < rows; r += block)
    for (let c = 0; c < cols; c += block)
      transposeBlock(a, rows, cols, out, r, Math.min(r + block, rows), c, Math.min(c + block, cols));
  return out;
}

/** By itself, so that V8 brings it to full speed between two blocks. */
function transposeBlock(
  a: Float32Array,
  rows: number,
  cols: number,
  out: Float32Array,
  top: number,
  bottom: number,
  left: number,
  right: number,
): void {
  for (let r = top; r < bottom; r++) for (let c = left; c < right; c++) out[c * rows + r] = a[r * cols + c]!;
}
