/** Checks arguments and results of each kernel, in one place for every set of kernels, and makes room for results. */
import { InputError } from '../errors.js';
import type { ProductShape } from './contract.js';
import { allocateThinSvd, type ThinSvd } from './thin-svd.js';

/** @returns where the result of `Kernels.svd` goes: `out`, or a new one */
export function svdTarget(a: Float32Array, rows: number, cols: number, out?: ThinSvd): ThinSvd {
  checkDimensions(rows, cols);
  checkLength('the matrix', a, rows, cols);
  return thinSvdTarget(rows, cols, Math.min(rows, cols), out);
}

/** @returns where the result of `Kernels.svdOfProduct` goes, as for {@link svdTarget} */
export function productSvdTarget(
  a: Float32Array,
  b: Float32Array,
  rows: number,
  inner: number,
  cols: number,
  out?: ThinSvd,
): ThinSvd {
  checkDimensions(rows, inner, cols);
  checkLength('the left factor', a, rows, inner);
  checkLength('the right factor', b, inner, cols);
  return thinSvdTarget(rows, cols, Math.min(rows, inner, cols), out);
}

/** @returns where the result of `Kernels.gemm` goes */
export function gemmTarget<T extends Float32Array | Float64Array>(
  a: T,
  b: T,
  { rows, inner, cols }: ProductShape,
  out?: T,
): T {
  checkDimensions(rows, inner, cols);
  checkLength('the left operand', a, rows, inner);
  checkLength('the right operand', b, inner, cols);
  const result =
    out ?? ((a instanceof Float32Array ? new Float32Array(rows * cols) : new Float64Array(rows * cols)) as T);
  checkLength('the result', result, rows, cols);
  return result;
}

/** @throws InputError if σ₀ is too large for float32: entries near its limit, or a product of large factors */
export function checkSigma(what: string, { s }: ThinSvd): void {
  if (!Number.isFinite(s[0]))
    throw new InputError(`${what} to decompose has a singular value beyond 3.4e38; repair the weights`);
}

function thinSvdTarget(
  rows: number,
  cols: number,
  rank: number,
  out = allocateThinSvd(rows, cols, rank),
): ThinSvd {
  checkLength('u', out.u, rows, rank);
  checkLength('s', out.s, rank, 1);
  checkLength('vt', out.vt, rank, cols);
  return out;
}

/** @throws RangeError unless every dimension is a positive integer */
function checkDimensions(...dimensions: number[]): void {
  for (const n of dimensions)
    if (!Number.isSafeInteger(n) || n < 1)
      throw new RangeError(`matrix dimension ${n}: it must be a positive integer`);
}

/** @throws RangeError unless the array holds [rows, cols] */
function checkLength(name: string, array: ArrayLike<number>, rows: number, cols: number): void {
  if (array.length !== rows * cols)
    throw new RangeError(`${name} has ${array.length} entries; [${rows}, ${cols}] has ${rows * cols}`);
}
