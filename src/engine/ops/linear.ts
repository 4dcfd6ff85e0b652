/** Multiplication by a frozen matrix, and its pullback. Weights never get a gradient here. */
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine.js';
import { toTensor } from '../tensor.js';

export class FrozenLinear {
  /** [rows, cols], or [cols, rows] if `stored` says so. */
  readonly #weight: tf.Tensor2D;
  readonly #stored: 'plain' | 'transposed';
  readonly #bias: tf.Tensor1D | null;
  readonly #fastTransposedMatMul: boolean;

  /**
   * @param weight row-major [rows, cols]
   * @param bias length cols, or null
   */
  constructor(
    { fastTransposedMatMul }: Engine,
    weight: Float32Array,
    rows: number,
    cols: number,
    bias: Float32Array | null,
  ) {
    this.#fastTransposedMatMul = fastTransposedMatMul;
    const plain = toTensor(weight, [rows, cols]) as tf.Tensor2D;
    // TensorFlow's products run twice as fast when the second operand's rows are its short side.
    this.#stored = fastTransposedMatMul && cols > rows ? 'transposed' : 'plain';
    this.#weight = this.#stored === 'plain' ? plain : tf.transpose(plain);
    if (this.#weight !== plain) plain.dispose();
    this.#bias = bias && (toTensor(bias, [cols]) as tf.Tensor1D);
  }

  /** [n, rows] → [n, cols]: x·W + b. */
  apply(x: tf.Tensor2D): tf.Tensor2D {
    const transposeB = this.#stored === 'transposed';
    if (!this.#bias) return tf.matMul(x, this.#weight, false, transposeB);
    return tf.fused.matMul({ a: x, b: this.#weight, transposeB, bias: this.#bias }) as tf.Tensor2D;
  }

  /** [n, cols] → [n, rows]: the gradient by x, given that by the result. */
  pull(dy: tf.Tensor2D): tf.Tensor2D {
    if (this.#stored === 'transposed') return tf.matMul(dy, this.#weight);
    if (this.#fastTransposedMatMul) return tf.matMul(dy, this.#weight, false, true);
    // (W·dyᵀ)ᵀ: turning what is small twice costs little, a second copy of the weights their size.
    return tf.tidy(() => tf.transpose(tf.matMul<tf.Tensor2D>(this.#weight, tf.transpose(dy))));
  }

  dispose(): void {
    for (const tensor of [this.#weight, this.#bias]) tensor?.dispose();
  }
}
