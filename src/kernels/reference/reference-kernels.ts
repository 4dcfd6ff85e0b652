/** The plain references as a set of kernels, so that one test suite holds for them and for both builds. */
import { InputError } from '../../errors.js';
import type { Kernels } from '../contract.js';
import { checkSigma, gemmTarget, productSvdTarget, svdTarget } from '../shapes.js';
import { referenceProduct } from './reference-products.js';
import { referenceSvd } from './reference-svd.js';

export const referenceKernels: Kernels = {
  svd(a, rows, cols, out) {
    const result = svdTarget(a, rows, cols, out);
    checkFinite(a);
    checkSigma('the matrix', referenceSvd(a, rows, cols, result));
    return result;
  },

  svdOfProduct(a, b, rows, inner, cols, out) {
    const result = productSvdTarget(a, b, rows, inner, cols, out);
    checkFinite(a, b);
    checkSigma(
      'the product',
      referenceSvd(referenceProduct(a, b, { rows, inner, cols }), rows, cols, result),
    );
    return result;
  },

  gemm(a, b, shape, out) {
    const result = gemmTarget(a, b, shape, out);
    result.set(referenceProduct(a, b, shape));
    return result;
  },
};

function checkFinite(...matrices: Float32Array[]): void {
  if (!matrices.every((matrix) => matrix.every(Number.isFinite)))
    throw new InputError('the matrix to decompose holds NaN or infinity; repair the weights');
}
