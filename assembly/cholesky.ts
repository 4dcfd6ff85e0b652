/**
 * Orthonormal rows by the Cholesky factor of their Gram matrix: all of it is matrix products, but what the rows' condition
 * squared is times ε is lost of it (Y. Yamamoto and others, "Roundoff error analysis of the CholeskyQR2 algorithm", 2015).
 */
import { mark, release } from './arena';
import { at, clear, create, get, set } from './arrays';
import { SET, gemm } from './gemm';
import { addScaled, dot, scale } from './vector';

/**
 * Largest ‖L⁻¹‖² (Frobenius), of rows of length 1, that passes. The Gram matrix of r rows of m entries is right to
 * √m ε, its factor's Q orthonormal to ‖L⁻¹‖² r √m ε: 4·10⁻⁹ for a head, a tenth of what rounding to f32 takes.
 */
const LIMIT: f64 = 1e4;

/**
 * A [r, m] = L·Q for A's rows, with the rows of Q orthonormal: writes the lower triangles L and L⁻¹ [r, r], zeros above
 * their diagonals. Returns false, with nothing of use written, where Q = L⁻¹ A would not be orthonormal enough.
 */
export function choleskyOfRows(r: i32, m: i32, a: usize, l: usize, inverse: usize): bool {
  const height = mark();
  const gram = create<f64>(r * r);
  const lengths = create<f64>(r);
  gemm<f64>(SET, true, r, r, m, a, m, 1, a, 1, m, gram, r);
  for (let i = 0; i < r; i++) set<f64>(lengths, i, Math.sqrt(get<f64>(gram, i * r + i)));
  // Of rows of length 1: then one that is small by itself does not count as nearly dependent on others.
  for (let i = 0; i < r; i++) {
    for (let j = 0; j <= i; j++) {
      set<f64>(l, i * r + j, get<f64>(gram, j * r + i) / (get<f64>(lengths, i) * get<f64>(lengths, j)));
    }
    clear<f64>(at<f64>(l, i * r + i + 1), r - i - 1);
  }
  const passes = factor(r, l) && invert(r, l, inverse) <= LIMIT;
  for (let i = 0; passes && i < r; i++) {
    scale(i + 1, get<f64>(lengths, i), at<f64>(l, i * r));
    for (let j = 0; j <= i; j++) set<f64>(inverse, i * r + j, get<f64>(inverse, i * r + j) / get<f64>(lengths, j));
  }
  release(height);
  return passes;
}

/** Replaces the lower triangle of a symmetric matrix [n, n] by its Cholesky factor's; false if it is not positive. */
function factor(n: i32, a: usize): bool {
  for (let i = 0; i < n; i++) {
    const row = at<f64>(a, i * n);
    for (let j = 0; j < i; j++) {
      const other = at<f64>(a, j * n);
      set<f64>(row, j, (get<f64>(row, j) - dot(j, row, other)) / get<f64>(other, j));
    }
    const rest = get<f64>(row, i) - dot(i, row, row);
    // NaN, too, is not above 0.
    if (!(rest > 0)) return false;
    set<f64>(row, i, Math.sqrt(rest));
  }
  return true;
}

/** The inverse of a lower triangle L [n, n], zeros above the diagonal. Returns ‖L⁻¹‖². */
function invert(n: i32, l: usize, inverse: usize): f64 {
  let squares: f64 = 0;
  for (let i = 0; i < n; i++) {
    const row = at<f64>(inverse, i * n);
    clear<f64>(row, n);
    for (let j = 0; j < i; j++) addScaled(j + 1, -get<f64>(l, i * n + j), at<f64>(inverse, j * n), row);
    const pivot = 1 / get<f64>(l, i * n + i);
    scale(i, pivot, row);
    set<f64>(row, i, pivot);
    squares += dot(i + 1, row, row);
  }
  return squares;
}
