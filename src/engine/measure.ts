/** How fast the current engine multiplies matrices: one number that tells engines apart. */
import * as tf from '@tensorflow/tfjs-core';

/**
 * The best of a few float32 products of n × n matrices.
 * @returns GFLOPS, counting 2·n³ operations a product
 */
export async function measureMatMul(n = 768, seconds = 0.3): Promise<number> {
  const [a, b] = [tf.randomNormal([n, n], 0, 1, 'float32', 1), tf.randomNormal([n, n], 0, 1, 'float32', 2)];
  await timeProduct(a, b);
  let best = Number.POSITIVE_INFINITY;
  let spent = 0;
  while (spent < seconds) {
    const taken = await timeProduct(a, b);
    best = Math.min(best, taken);
    spent += taken;
  }
  tf.dispose([a, b]);
  return (2 * n ** 3) / best / 1e9;
}

/** Seconds until the product is there: one element is read back, as engines answer before they have finished. */
async function timeProduct(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  const started = performance.now();
  const corner = tf.tidy(() => tf.slice(tf.matMul(a, b), [0, 0], [1, 1]));
  await corner.data();
  const taken = (performance.now() - started) / 1000;
  corner.dispose();
  return taken;
}
