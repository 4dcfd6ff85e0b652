/** Eigenvectors of a symmetric matrix: tridiagonal form, divide and conquer, and back. */
import { mark, release } from './arena';
import { at, clear, copy, create, get } from './arrays';
import { divideAndConquer } from './divide';
import { applyReflectors } from './householder';
import { tridiagonalise } from './tridiagonal';
import { largest, scale } from './vector';

/**
 * Writes the orthonormal eigenvectors of A [n, n], by descending eigenvalue, to the rows of `vectors` [n, n].
 * A is read on and above its diagonal and used up.
 */
export function eigenvectors(n: i32, a: usize, vectors: usize): void {
  const height = mark();
  const d = create<f64>(n), e = create<f64>(n), tau = create<f64>(n), order = create<i32>(n);
  tridiagonalise(n, a, d, e, tau);
  // Eigenvectors do not depend on the size of T; the solver's tolerances want it near 1.
  const size = Math.max(largest(n, d), largest(n - 1, e));
  if (size > 0) {
    scale(n, 1 / size, d);
    scale(n - 1, 1 / size, e);
  }
  const q = create<f64>(n * n);
  clear<f64>(q, n * n);
  divideAndConquer(n, d, e, q, n, order);
  for (let i = 0; i < n; i++) {
    copy<f64>(at<f64>(q, get<i32>(order, n - 1 - i) * n), at<f64>(vectors, i * n), n);
  }
  if (n > 1) applyReflectors(n, n - 1, n - 1, at<f64>(vectors, 1), n, at<f64>(a, 1), n, tau);
  release(height);
}
