/** Typed arrays in: the one way from host memory to an engine's tensors. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * A tensor of `data`'s type (float32 or int32), also of an array in shared memory.
 *
 * Nothing is copied that need not be: wasm copies into its own memory, the native engine on the CPU keeps
 * reading `data` where it lies, and may hand that same array out when the tensor is read. So neither may
 * change while the tensor lives.
 * @param data row-major, as many elements as the shape has
 * @throws Error if the shape does not fit the data
 */
export function toTensor(data: Float32Array | Int32Array, shape: readonly number[]): tf.Tensor {
  return tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32');
}
