/**
 * Products of f64 matrices by a library of the host, where it has one: its vectors are up to four times as wide as
 * WebAssembly's.
 */
import { at } from './arrays';

/** Given by the host: whether it has such a library. */
// @ts-ignore: decorator
@external('env', 'lends')
declare const lends: i32;
/** C ← mode(C, A·B), as `gemm` has it; of A's strides, and of B's, one is 1, the other as long as a run or longer. */
// @ts-ignore: decorator
@external('env', 'lentProduct')
declare function lentProduct(
  mode: i32, m: i32, n: i32, k: i32,
  a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, c: usize, cRow: i32,
): void;

/** Multiplications from which a call costs less than it saves. */
const LEAST: i64 = 1 << 16;
/** Columns at a time of a result of which only the upper half is wanted. */
const COLUMNS: i32 = 192;

/** Whether the host multiplies at all. */
// @ts-ignore: decorator
@inline
export function hostMultiplies(): bool {
  return lends != 0;
}

/** Lets the host multiply where it can and where that pays; false: nothing was done. */
export function multipliedByHost(
  mode: i32, upper: bool, m: i32, n: i32, k: i32,
  a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, c: usize, cRow: i32,
): bool {
  if (lends == 0 || <i64>m * n * k < LEAST) return false;
  if (min(aRow, aCol) != 1 || min(bRow, bCol) != 1) return false;
  // Both strides of a vector may be 1: they do not say which way it lies.
  if (min(m, min(n, k)) < 2) return false;
  const block = upper ? COLUMNS : n;
  for (let start = 0; start < n; start += block) {
    const width = min(block, n - start);
    const height = upper ? min(m, start + width) : m;
    lentProduct(mode, height, width, k, a, aRow, aCol, at<f64>(b, start * bCol), bRow, bCol, at<f64>(c, start), cRow);
  }
  return true;
}
