/**
 * Matrix products by this program's own kernel in the place of the backend's: nearly twice as fast where the JavaScript
 * engine has relaxed SIMD, and as fast where an operand is transposed, which the backend's is not.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { OnePassSettings } from '../ops/one-pass.js';
import { replaceKernel } from '../replace-kernel.js';
import type { TensorKernels } from './tensor-memory.js';

/** Operands and what they are multiplied as. */
interface Product {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
  transposeA: boolean;
  transposeB: boolean;
  /** [columns]. */
  bias?: tf.TensorInfo | undefined;
}

/** Takes the place of `BatchMatMul` and `_FusedMatMul`. What is rarely asked for stays with the backend's. */
export function replaceProducts(kernels: TensorKernels): void {
  replaceKernel('BatchMatMul', 'wasm', ({ inputs, attrs }) =>
    product(kernels, { ...inputs, ...attrs } as unknown as Product),
  );
  replaceKernel('_FusedMatMul', 'wasm', ({ inputs, attrs }) =>
    attrs!.activation === 'linear' ? product(kernels, { ...inputs, ...attrs } as unknown as Product) : null,
  );
}

/** Null where an operand is of a kind that is rarely asked for. */
export function product(
  { calls, address, create }: TensorKernels,
  { a, b, transposeA, transposeB, bias }: Product,
): tf.TensorInfo | null {
  const [m, k] = sides(a, transposeA);
  const [inner, n] = sides(b, transposeB);
  const [countA, countB] = [a, b].map(({ shape }) => tf.util.sizeFromShape(shape.slice(0, -2))) as [
    number,
    number,
  ];
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const count = Math.max(countA, countB);
  const simple =
    [a, b, bias].every((each) => each === undefined || each.dtype === 'float32') &&
    k === inner &&
    (countA === countB || countA === 1 || countB === 1) &&
    tf.util.sizeFromShape(outer) === count &&
    (bias === undefined || (bias.shape.length === 1 && bias.shape[0] === n));
  if (!simple) return null;
  const out = create([...outer, m, n]);
  // Many by the same matrix are one.
  const joined = countB === 1 && !transposeA;
  calls.products({
    count: joined ? 1 : count,
    transposeA: Number(transposeA),
    transposeB: Number(transposeB),
    m: joined ? m * countA : m,
    n,
    k,
    a: address(a),
    aStep: countA === 1 ? 0 : m * k,
    b: address(b),
    bStep: countB === 1 ? 0 : k * n,
    bias: bias ? address(bias) : 0,
    c: address(out),
  });
  return out;
}

/** Of f(x), or with `dy` of dy·f′(x), by a matrix. */
export function productOfActivated(
  { calls, address, create }: TensorKernels,
  x: tf.TensorInfo,
  dy: tf.TensorInfo | null,
  b: tf.TensorInfo,
  bias: tf.TensorInfo | null,
  { kind, flag: transposeB }: Pick<Required<OnePassSettings>, 'kind' | 'flag'>,
): tf.TensorInfo {
  const [m, k] = sides(x, false);
  const [, n] = sides(b, transposeB);
  const out = create([m, n]);
  const orZero = (tensor: tf.TensorInfo | null) => (tensor ? address(tensor) : 0);
  calls.productOfActivated({
    kind,
    transposeB: Number(transposeB),
    m,
    n,
    k,
    a: address(x),
    dy: orZero(dy),
    b: address(b),
    bias: orZero(bias),
    c: address(out),
  });
  return out;
}

/** Rows and columns of an operand, as it is multiplied. */
function sides({ shape }: tf.TensorInfo, transposed: boolean): [number, number] {
  const [rows, cols] = shape.slice(-2) as [number, number];
  return transposed ? [cols, rows] : [rows, cols];
}
