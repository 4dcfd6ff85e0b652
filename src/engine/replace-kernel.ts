/** Puts a computation of our own in the place of a kernel that TensorFlow.js brings along. */
import * as tf from '@tensorflow/tfjs-core';

export type KernelCall = Parameters<tf.KernelFunc>[0];

/** @param compute null: leaves it to the kernel that was there */
export function replaceKernel(
  kernelName: string,
  backendName: string,
  compute: (call: KernelCall) => tf.TensorInfo | null,
): void {
  const { kernelFunc, ...config } = tf.getKernel(kernelName, backendName);
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ ...config, kernelFunc: (call) => compute(call) ?? kernelFunc(call) });
}
