/**
 * Reduction of a symmetric matrix to tridiagonal form, in panels, so that half of the arithmetic is matrix
 * products (J. Dongarra, D. Sorensen, S. Hammarling, "Block reduction of matrices to condensed forms", 1989).
 */
import { mark, release } from './arena';
import { at, clear, copy, create, get, set } from './arrays';
import { SUBTRACT, gemm } from './gemm';
import { PANEL, reflected, reflector } from './householder';
import { madd } from './simd';
import { addScaled, dot, scale } from './vector';

/**
 * Reduces A [n, n], of which only the diagonal and what lies above it is read, to Q T Q^T with
 * Q = H_0 H_1 … H_{n−2}. T's diagonal goes to d [n], the entries beside it to e [n − 1]; the vector of H_j
 * replaces row j of A from column j + 1 on, and its factor goes to τ [n − 1].
 */
export function tridiagonalise(n: i32, a: usize, d: usize, e: usize, tau: usize): void {
  const height = mark();
  // A ← A − V^T W − W^T V, kept as one product of the stacks [V; W] and [W; V].
  const vw = create<f64>(2 * PANEL * n);
  const wv = create<f64>(2 * PANEL * n);
  for (let start = 0; start < n; start += PANEL) {
    const block = min(PANEL, n - start);
    const end = start + block;
    for (let p = 0; p < block; p++) {
      const j = start + p;
      const row = at<f64>(a, j * n + j);
      for (let q = 0; q < p; q++) {
        const v = at<f64>(vw, q * n + j);
        const w = at<f64>(wv, q * n + j);
        addScaled(n - j, -load<f64>(v), w, row);
        addScaled(n - j, -load<f64>(w), v, row);
      }
      set<f64>(d, j, load<f64>(row));
      if (j == n - 1) break;
      const rest = n - j - 1;
      const factor = reflector(rest, row + 8);
      set<f64>(e, j, reflected);
      set<f64>(tau, j, factor);
      const v = at<f64>(vw, p * n + j + 1);
      const w = at<f64>(wv, p * n + j + 1);
      copy<f64>(row + 8, v, rest);
      multiplySymmetric(rest, at<f64>(a, (j + 1) * n + j + 1), n, v, w);
      for (let q = 0; q < p; q++) {
        const earlierV = at<f64>(vw, q * n + j + 1);
        const earlierW = at<f64>(wv, q * n + j + 1);
        const alongV = dot(rest, earlierV, v);
        const alongW = dot(rest, earlierW, v);
        addScaled(rest, -alongW, earlierV, w);
        addScaled(rest, -alongV, earlierW, w);
      }
      scale(rest, factor, w);
      addScaled(rest, -0.5 * factor * dot(rest, w, v), v, w);
    }
    if (end >= n) break;
    for (let p = 0; p < block; p++) {
      const head = p * n + end, tail = (block + p) * n + end;
      copy<f64>(at<f64>(wv, head), at<f64>(vw, tail), n - end);
      copy<f64>(at<f64>(vw, head), at<f64>(wv, tail), n - end);
    }
    gemm<f64>(
      SUBTRACT, true, n - end, n - end, 2 * block,
      at<f64>(vw, end), 1, n, at<f64>(wv, end), n, 1, at<f64>(a, end * n + end), n,
    );
  }
  release(height);
}

/** y ← A x, A symmetric [n, n] with row stride `aRow`, read on and above its diagonal only: each entry once. */
function multiplySymmetric(n: i32, a: usize, aRow: i32, x: usize, y: usize): void {
  clear<f64>(y, n);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const corner = at<f64>(a, i * aRow + i);
    diagonalBlock(4, corner, aRow, at<f64>(x, i), at<f64>(y, i));
    fourRows(n - i - 4, corner + 32, aRow, at<f64>(x, i), at<f64>(y, i));
  }
  diagonalBlock(n - i, at<f64>(a, i * aRow + i), aRow, at<f64>(x, i), at<f64>(y, i));
}

/** y ← y + A x for a small symmetric A [n, n], read on and above its diagonal. */
function diagonalBlock(n: i32, a: usize, aRow: i32, x: usize, y: usize): void {
  for (let r = 0; r < n; r++) {
    const xr = get<f64>(x, r);
    let sum = get<f64>(a, r * aRow + r) * xr;
    for (let c = r + 1; c < n; c++) {
      const entry = get<f64>(a, r * aRow + c);
      const yc = at<f64>(y, c);
      sum += entry * get<f64>(x, c);
      store<f64>(yc, load<f64>(yc) + entry * xr);
    }
    set<f64>(y, r, get<f64>(y, r) + sum);
  }
}

/**
 * Four rows B [4, n] right of a diagonal block, with x and y beginning at that block: used twice, as
 * y_{0…3} += B x_{4…} and y_{4…} += B^T x_{0…3}.
 */
function fourRows(n: i32, b: usize, bRow: i32, x: usize, y: usize): void {
  const stride = at<f64>(0, bRow);
  const x0 = v128.load_splat<f64>(x), x1 = v128.load_splat<f64>(x, 8);
  const x2 = v128.load_splat<f64>(x, 16), x3 = v128.load_splat<f64>(x, 24);
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let b1 = b + stride, b2 = b1 + stride, b3 = b2 + stride;
  let xc = x + 32, yc = y + 32;
  let c = 0;
  for (; c + 2 <= n; c += 2, b += 16, b1 += 16, b2 += 16, b3 += 16, xc += 16, yc += 16) {
    const v0 = v128.load(b), v1 = v128.load(b1), v2 = v128.load(b2), v3 = v128.load(b3);
    const xv = v128.load(xc);
    const left = madd<f64>(v1, x1, madd<f64>(v0, x0, v128.load(yc)));
    const right = madd<f64>(v3, x3, f64x2.mul(v2, x2));
    v128.store(yc, f64x2.add(left, right));
    s0 = madd<f64>(v0, xv, s0);
    s1 = madd<f64>(v1, xv, s1);
    s2 = madd<f64>(v2, xv, s2);
    s3 = madd<f64>(v3, xv, s3);
  }
  let t0 = both(s0), t1 = both(s1), t2 = both(s2), t3 = both(s3);
  if (c < n) {
    const v0 = load<f64>(b), v1 = load<f64>(b1), v2 = load<f64>(b2), v3 = load<f64>(b3), xv = load<f64>(xc);
    store<f64>(
      yc,
      load<f64>(yc) + v0 * load<f64>(x) + v1 * load<f64>(x, 8) + v2 * load<f64>(x, 16) + v3 * load<f64>(x, 24),
    );
    t0 += v0 * xv;
    t1 += v1 * xv;
    t2 += v2 * xv;
    t3 += v3 * xv;
  }
  store<f64>(y, load<f64>(y) + t0);
  store<f64>(y, load<f64>(y, 8) + t1, 8);
  store<f64>(y, load<f64>(y, 16) + t2, 16);
  store<f64>(y, load<f64>(y, 24) + t3, 24);
}

/** The sum of both lanes. */
// @ts-ignore: decorator
@inline
function both(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}
