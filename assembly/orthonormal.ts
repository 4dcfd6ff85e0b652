/** An orthonormal basis Q of a matrix's rows, by the way that its condition allows; Q itself is never written. */
import { choleskyOfRows } from './cholesky';
import { clear, create } from './arrays';
import { SET, gemm } from './gemm';
import { applyReflectors } from './householder';
import { factorRows } from './qr';
import { copyRows } from './vector';

/**
 * A [r, m] = L·Q, r ≤ m. Writes L [r, r], and what `turnedRows` makes Q of: L⁻¹ [r, r], or reflectors over A and their
 * factors τ [r]. Returns whether it is L⁻¹, the faster way.
 */
export function orthonormalRows(r: i32, m: i32, a: usize, l: usize, inverse: usize, tau: usize): bool {
  if (choleskyOfRows(r, m, a, l, inverse)) return true;
  factorRows(r, m, a, l, tau);
  return false;
}

/** X Q [r, m] for X [r, r] and what `orthonormalRows` left; `direct` is what it returned. */
export function turnedRows(r: i32, m: i32, x: usize, a: usize, direct: bool, inverse: usize, tau: usize): usize {
  const rows = create<f64>(r * m);
  if (direct) {
    const turn = create<f64>(r * r);
    gemm<f64>(SET, false, r, r, r, x, r, 1, inverse, r, 1, turn, r);
    gemm<f64>(SET, false, r, m, r, turn, r, 1, a, m, 1, rows, m);
    return rows;
  }
  clear<f64>(rows, r * m);
  copyRows<f64>(r, r, x, r, rows, m);
  applyReflectors(r, m, r, rows, m, a, m, tau);
  return rows;
}
