/**
 * Blocked Householder QR of a tall matrix that is stored transposed: A^T [r, m], r ≤ m, so that every vector
 * is contiguous. A^T = L·Q with L = R^T lower triangular and the rows of Q orthonormal.
 */
import { at, clear, set } from './arrays';
import { PANEL, applyBlock, reflected, reflector } from './householder';
import { addScaled, copyRows, dot } from './vector';

/**
 * Factors the rows of a [r, m] in place: vector i of the reflectors stands in row i from column i on, its
 * leading 1 included. L [r, r] (zeros above the diagonal) and τ [r] are written to their own places.
 */
export function factorRows(r: i32, m: i32, a: usize, l: usize, tau: usize): void {
  clear<f64>(l, r * r);
  for (let start = 0; start < r; start += PANEL) {
    const block = min(PANEL, r - start);
    const end = start + block;
    for (let i = start; i < end; i++) {
      const row = at<f64>(a, i * m + i);
      const factor = reflector(m - i, row);
      set<f64>(tau, i, factor);
      set<f64>(l, i * r + i, reflected);
      for (let other = i + 1; other < end; other++) {
        const target = at<f64>(a, other * m + i);
        addScaled(m - i, -factor * dot(m - i, row, target), row, target);
        set<f64>(l, other * r + i, load<f64>(target));
      }
    }
    if (end == r) break;
    const rest = at<f64>(a, end * m + start), corner = at<f64>(a, start * m + start);
    applyBlock(r - end, m - start, block, rest, m, corner, m, at<f64>(tau, start), false);
    copyRows<f64>(r - end, block, rest, m, at<f64>(l, end * r + start), r);
  }
}
