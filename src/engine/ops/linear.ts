/** Multiplication by a frozen matrix, and its pullback. Weights never get a gradient here. */
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine.js';
import { toTensor } from '../tensor.js';

type Stored = 'plain' | 'transposed';

export class FrozenLinear {
  /** @param weight [rows, cols], or [cols, rows] if `stored` says so */
  private constructor(
    private readonly weight: tf.Tensor2D,
    private readonly stored: Stored,
    private readonly bias: tf.Tensor1D | null,
    private readonly fastTransposedMatMul: boolean,
  ) {}

  /**
   * @param weight row-major [rows, cols]
   * @param bias length cols, or null
   */
  static upload(
    { fastTransposedMatMul }: Engine,
    weight: Float32Array,
    rows: number,
    cols: number,
    bias: Float32Array | null,
  ): FrozenLinear {
    const plain = toTensor(weight, [rows, cols]) as tf.Tensor2D;
    // TensorFlow's products run twice as fast when the second operand's rows are its short side.
    const stored = fastTransposedMatMul && cols > rows ? 'transposed' : 'plain';
    const tensor = stored === 'plain' ? plain : tf.transpose<tf.Tensor2D>(plain);
    if (tensor !== plain) plain.dispose();
    const uploadedBias = bias && (toTensor(bias, [cols]) as tf.Tensor1D);
    return new FrozenLinear(tensor, stored, uploadedBias, fastTransposedMatMul);
  }

  /** The matrix of some columns alone, and their bias. @param chosen [n], int32 */
  columns(chosen: tf.Tensor1D): FrozenLinear {
    const weight = tf.gather(this.weight, chosen, this.stored === 'plain' ? 1 : 0);
    // A sum has the rank that wasm's fused product looks for; what it gathers keeps one of four dimensions beneath.
    const bias = this.bias && tf.tidy(() => tf.add<tf.Tensor1D>(tf.gather(this.bias!, chosen), 0));
    return this.like(weight, bias);
  }

  /** The matrix of some rows alone, without the bias. @param chosen [n], int32 */
  rows(chosen: tf.Tensor1D): FrozenLinear {
    return this.like(tf.gather(this.weight, chosen, this.stored === 'plain' ? 0 : 1), null);
  }

  private like(weight: tf.Tensor2D, bias: tf.Tensor1D | null): FrozenLinear {
    return new FrozenLinear(weight, this.stored, bias, this.fastTransposedMatMul);
  }

  /** [n, rows] → [n, cols]: x·W + b. */
  apply(x: tf.Tensor2D): tf.Tensor2D {
    const transposeB = this.stored === 'transposed';
    if (!this.bias) return tf.matMul(x, this.weight, false, transposeB);
    return tf.fused.matMul({ a: x, b: this.weight, transposeB, bias: this.bias }) as tf.Tensor2D;
  }

  /** [n, cols] → [n, rows]: the gradient by x, given that by the result. */
  pull(dy: tf.Tensor2D): tf.Tensor2D {
    if (this.stored === 'transposed') return tf.matMul(dy, this.weight);
    if (this.fastTransposedMatMul) return tf.matMul(dy, this.weight, false, true);
    // (W·dyᵀ)ᵀ: turning what is small twice costs little, a second copy of the weights their size.
    return tf.tidy(() => tf.transpose(tf.matMul<tf.Tensor2D>(this.weight, tf.transpose(dy))));
  }

  dispose(): void {
    for (const tensor of [this.weight, this.bias]) tensor?.dispose();
  }
}
