/** Multiplication by a frozen matrix, and its pullback. Weights never get a gradient here. */
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../../models/architecture.js';
import type { Engine } from '../engine.js';
import { toTensor } from '../tensor.js';
import { KINDS } from './activation.js';
import { hasOnePass, onePass } from './one-pass.js';

type Stored = 'plain' | 'transposed';

export class FrozenLinear {
  /** @param weight [rows, cols], or [cols, rows] if `stored` says so */
  private constructor(
    private readonly weight: tf.Tensor2D,
    private readonly stored: Stored,
    private readonly bias: tf.Tensor1D | null,
  ) {}

  /**
   * @param weight row-major [rows, cols]
   * @param bias length cols, or null
   */
  static upload(
    { prefersShortRows }: Pick<Engine, 'prefersShortRows'>,
    weight: Float32Array,
    rows: number,
    cols: number,
    bias: Float32Array | null,
  ): FrozenLinear {
    const plain = toTensor(weight, [rows, cols]) as tf.Tensor2D;
    const stored = prefersShortRows && cols > rows ? 'transposed' : 'plain';
    const tensor = stored === 'plain' ? plain : tf.transpose<tf.Tensor2D>(plain);
    if (tensor !== plain) plain.dispose();
    const uploadedBias = bias && (toTensor(bias, [cols]) as tf.Tensor1D);
    return new FrozenLinear(tensor, stored, uploadedBias);
  }

  /** The matrix of some columns alone, and their bias. @param chosen [n], int32 */
  columns(chosen: tf.Tensor1D): FrozenLinear {
    const weight = tf.gather(this.weight, chosen, this.stored === 'plain' ? 1 : 0);
    return this.like(weight, this.bias && tf.gather(this.bias, chosen));
  }

  /** The matrix of some rows alone, without the bias. @param chosen [n], int32 */
  rows(chosen: tf.Tensor1D): FrozenLinear {
    return this.like(tf.gather(this.weight, chosen, this.stored === 'plain' ? 0 : 1), null);
  }

  private like(weight: tf.Tensor2D, bias: tf.Tensor1D | null): FrozenLinear {
    return new FrozenLinear(weight, this.stored, bias);
  }

  /** [n, rows] → [n, cols]: x·W + b. */
  apply(x: tf.Tensor2D): tf.Tensor2D {
    const transposeB = this.stored === 'transposed';
    if (!this.bias) return tf.matMul(x, this.weight, false, transposeB);
    // Without the three reshapes that the library's takes.
    if (hasOnePass('OrthoscopeBiasedProduct')) {
      const settings = { flag: transposeB };
      return onePass('OrthoscopeBiasedProduct', [x, this.weight, this.bias], settings)[0] as tf.Tensor2D;
    }
    return tf.fused.matMul({ a: x, b: this.weight, transposeB, bias: this.bias }) as tf.Tensor2D;
  }

  /** [n, cols] → [n, rows]: the gradient by x, given that by the result. */
  pull(dy: tf.Tensor2D): tf.Tensor2D {
    return tf.matMul(dy, this.weight, false, this.stored === 'plain');
  }

  /** f(x)·W + b, where {@link activatesInProducts}. */
  applyActivated(x: tf.Tensor2D, activation: Activation): tf.Tensor2D {
    const inputs = this.bias ? [x, this.weight, this.bias] : [x, this.weight];
    const settings = { kind: KINDS[activation], flag: this.stored === 'transposed' };
    return onePass('OrthoscopeProductOfActivated', inputs, settings)[0] as tf.Tensor2D;
  }

  /** The gradient by z where f(x) follows on x = z·W + b, likewise. @param dy gradient by f(x) */
  pullActivated(dy: tf.Tensor2D, x: tf.Tensor2D, activation: Activation): tf.Tensor2D {
    const settings = { kind: KINDS[activation], flag: this.stored === 'plain' };
    return onePass('OrthoscopeProductOfActivatedPull', [dy, x, this.weight], settings)[0] as tf.Tensor2D;
  }

  dispose(): void {
    for (const tensor of [this.weight, this.bias]) tensor?.dispose();
  }
}
