/** Matrix products as a forward pass wants them: many of one shape, and with a bias. */
import { at, clear, copy } from './arrays';
import { SET, gemm } from './gemm';

/**
 * `count` products C [m, n] ← op(A) op(B) + bias in f32: A is stored [m, k], or [k, m] with `transposeA`; B [k, n], or
 * [n, k] with `transposeB`. The next operands lie so many elements on, each result behind the one before.
 * @param bias [n], or 0 where there is none
 */
export function products(
  count: i32, transposeA: i32, transposeB: i32, m: i32, n: i32, k: i32,
  a: usize, aStep: i32, b: usize, bStep: i32, bias: usize, c: usize,
): void {
  const aRow = transposeA ? 1 : k, aCol = transposeA ? m : 1;
  const bRow = transposeB ? 1 : n, bCol = transposeB ? k : 1;
  for (let i = 0; i < count; i++) {
    if (k == 0) for (let row = 0; row < m; row++) {
      if (bias) copy<f32>(bias, at<f32>(c, row * n), n);
      else clear<f32>(at<f32>(c, row * n), n);
    }
    gemm<f32>(SET, false, m, n, k, a, aRow, aCol, b, bRow, bCol, c, n, bias);
    a = at<f32>(a, aStep);
    b = at<f32>(b, bStep);
    c = at<f32>(c, m * n);
  }
}

/**
 * C [m, n] ← f(A) op(B) + bias, or (dY∘f′(A)) op(B) + bias: A and dY [m, k] pass the activation function as they are read,
 * so that what comes of it is never written and read again.
 * @param dy 0 for f(A)
 * @param bias [n], or 0 where there is none
 */
export function productOfActivated(
  kind: i32, transposeB: i32, m: i32, n: i32, k: i32, a: usize, dy: usize, b: usize, bias: usize, c: usize,
): void {
  gemm<f32>(SET, false, m, n, k, a, k, 1, b, transposeB ? 1 : n, transposeB ? k : 1, c, n, bias, kind, dy);
}
