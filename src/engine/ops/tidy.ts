/** tf.tidy for results whose type TensorFlow.js cannot name: plain objects, also with null in them. */
import * as tf from '@tensorflow/tfjs-core';

/** Runs `work` and frees every tensor made in it except those reachable from the result. No typed arrays in the result. */
export function tidy<T extends object>(work: () => T): T {
  return tf.tidy(work as unknown as () => tf.TensorContainerObject) as unknown as T;
}
