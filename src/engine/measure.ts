/** How fast the current engine multiplies matrices: one number that tells engines apart. */
import * as tf from '@tensorflow/tfjs-core';
import { leastSeconds } from '../least-seconds.js';
import type { Engine } from './engine.js';

/**
 * The best of a few float32 products of n × n matrices.
 * @param engine the current one
 * @param size.n of a size that takes a processor about a millisecond, where not given: a longer one is interrupted
 * @returns GFLOPS, counting 2·n³ operations a product
 */
export async function measureMatMul(
  { name }: Pick<Engine, 'name'>,
  { n, most }: { n?: number; most?: number } = {},
): Promise<number> {
  const onProcessor = isOnProcessor({ name });
  const side = n ?? (onProcessor ? 512 : 768);
  const random = (seed: number) => tf.randomNormal([side, side], 0, 1, 'float32', seed);
  const [a, b] = [random(1), random(2)];
  try {
    const seconds = await leastSeconds(() => multiply(a, b), { most, onProcessor });
    return (2 * side ** 3) / seconds / 1e9;
  } finally {
    tf.dispose([a, b]);
  }
}

/** Floating-point operations a second that whole passes of the current engine reach on one worker. */
export async function measurePasses(engine: Pick<Engine, 'name' | 'passShare'>): Promise<number> {
  return engine.passShare * (await measureMatMul(engine)) * 1e9;
}

/** Whether all that an engine computes is the processor's work. */
export function isOnProcessor({ name }: Pick<Engine, 'name'>): boolean {
  return name === 'native-cpu' || name === 'wasm';
}

/** Until the product is there: one element is read back, as engines answer before they have finished. */
async function multiply(a: tf.Tensor, b: tf.Tensor): Promise<void> {
  const corner = tf.tidy(() => tf.slice(tf.matMul(a, b), [0, 0], [1, 1]));
  await corner.data();
  corner.dispose();
}
