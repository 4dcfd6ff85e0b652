/**
 * Householder reflectors on row vectors, one at a time and in blocks: H_0 H_1 … H_{b−1} = I − V^T T V with the
 * reflectors' vectors as rows of V and T upper triangular (R. Schreiber, C. Van Loan, "A storage-efficient WY
 * representation for products of Householder transformations", 1989).
 */
import { mark, release } from './arena';
import { at, clear, copy, create, get, set } from './arrays';
import { SET, SUBTRACT, gemm } from './gemm';
import { dot, scale } from './vector';

/** Reflectors that are made in one panel, by operations on vectors. */
export const PANEL: i32 = 32;
/** Reflectors that are applied at once, by matrix products. */
const BLOCK: i32 = 48;

/** The first entry of a vector after its reflection; set by `reflector`. */
export let reflected: f64 = 0;

/**
 * Turns x [n] into v, v_0 = 1, such that H = I − τ v v^T maps the old x to (`reflected`, 0, …, 0).
 * Returns τ; 0 where x already has that form.
 */
export function reflector(n: i32, x: usize): f64 {
  const first = load<f64>(x);
  const rest = dot(n - 1, x + 8, x + 8);
  store<f64>(x, 1);
  reflected = first;
  if (rest == 0) return 0;
  const norm = Math.sqrt(first * first + rest);
  reflected = first > 0 ? -norm : norm;
  scale(n - 1, 1 / (first - reflected), x + 8);
  return (reflected - first) / reflected;
}

/**
 * X ← X · H_0 H_1 … H_{b−1}, or with `reverse` X · H_{b−1} … H_0, for X [m, n]: vector i of the reflectors begins,
 * with its 1, in column i of row i of `a`. Rows of X and of `a` have any stride (in elements).
 */
export function applyBlock(
  m: i32, n: i32, b: i32, x: usize, xRow: i32, a: usize, aRow: i32, tau: usize, reverse: bool,
): void {
  const height = mark();
  const v = create<f64>(b * n), t = create<f64>(b * b);
  const along = create<f64>(m * b), turned = create<f64>(m * b);
  gatherVectors(b, n, a, aRow, v);
  blockFactor(b, n, v, tau, t);
  gemm<f64>(SET, false, m, b, n, x, xRow, 1, v, 1, n, along, b);
  gemm<f64>(SET, false, m, b, b, along, b, 1, t, reverse ? 1 : b, reverse ? b : 1, turned, b);
  gemm<f64>(SUBTRACT, false, m, n, b, turned, b, 1, v, n, 1, x, xRow);
  release(height);
}

/** X ← X · H_{r−1} … H_1 H_0 for X [m, n], block after block; see `applyBlock`. */
export function applyReflectors(m: i32, n: i32, r: i32, x: usize, xRow: i32, a: usize, aRow: i32, tau: usize): void {
  for (let start = ((r - 1) / BLOCK) * BLOCK; start >= 0; start -= BLOCK) {
    const corner = at<f64>(a, start * aRow + start);
    applyBlock(m, n - start, min(BLOCK, r - start), at<f64>(x, start), xRow, corner, aRow, at<f64>(tau, start), true);
  }
}

/** Copies the vectors of b reflectors into V [b, n], clean of what else stands in their rows. */
function gatherVectors(b: i32, n: i32, a: usize, aRow: i32, v: usize): void {
  for (let i = 0; i < b; i++) {
    clear<f64>(at<f64>(v, i * n), i);
    copy<f64>(at<f64>(a, i * aRow + i), at<f64>(v, i * n + i), n - i);
  }
}

/** T [b, b], zeros below its diagonal, of the reflectors with vectors V [b, n]. */
function blockFactor(b: i32, n: i32, v: usize, tau: usize, t: usize): void {
  const height = mark();
  const products = create<f64>(b * b);
  gemm<f64>(SET, true, b, b, n, v, n, 1, v, 1, n, products, b);
  clear<f64>(t, b * b);
  for (let j = 0; j < b; j++) {
    const factor = get<f64>(tau, j);
    for (let i = 0; i < j; i++) {
      let sum: f64 = 0;
      for (let p = i; p < j; p++) sum += get<f64>(t, i * b + p) * get<f64>(products, p * b + j);
      set<f64>(t, i * b + j, -factor * sum);
    }
    set<f64>(t, j * b + j, factor);
  }
  release(height);
}
