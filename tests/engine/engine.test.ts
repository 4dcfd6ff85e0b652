import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/engine.js';
import { measureMatMul, measurePasses } from '../../src/engine/measure.js';
import { toTensor } from '../../src/engine/tensor.js';
import { ENGINE_CHOICES } from '../../src/settings/choices.js';
import { availableEngines, describeOnEngines } from '../support/engines.js';

describeOnEngines('an engine', (engine) => {
  it('says what it is and why', () => {
    expect(ENGINE_CHOICES).toContain(engine().name);
    expect(engine().version).toMatch(/^TensorFlow(\.js)? \d+\.\d+\.\d+/);
    expect(engine().reason.length).toBeGreaterThan(10);
  });

  it('computes with the one tfjs-core that everything imports', () => {
    const product = tf.matMul(tf.tensor2d([[1, 2, 3]]), tf.tensor2d([[4], [5], [6]]));
    expect(product).toBeInstanceOf(tf.Tensor);
    expect([...product.dataSync()]).toEqual([32]);
    product.dispose();
  });

  it.each([
    ['an array of its own', new Float32Array([1, 2, 3, 4, 5, 6])],
    ['part of an array', new Float32Array([0, 1, 2, 3, 4, 5, 6, 7]).subarray(1, 7)],
    ['shared memory', shared([1, 2, 3, 4, 5, 6])],
    ['part of shared memory', shared([0, 0, 0, 1, 2, 3, 4, 5, 6]).subarray(3)],
  ])('takes %s', (_, data) => {
    const tensor = toTensor(data, [2, 3]);
    expect([tensor.shape, tensor.dtype]).toEqual([[2, 3], 'float32']);
    expect([...tf.add(tensor, 0.5).dataSync()]).toEqual([1.5, 2.5, 3.5, 4.5, 5.5, 6.5]);
    expect([...tensor.dataSync()]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('keeps whole numbers whole', () => {
    const tensor = toTensor(new Int32Array([2 ** 24 + 1, -7]), [2]);
    expect(tensor.dtype).toBe('int32');
    expect([...tf.add(tensor, tf.scalar(1, 'int32')).dataSync()]).toEqual([2 ** 24 + 2, -6]);
  });

  it('refuses data that does not fill the shape', () => {
    expect(() => toTensor(new Float32Array(5), [2, 3])).toThrow(/6|5/);
  });

  it('gives results in arrays of the reader’s own', () => {
    const sum = tf.add(toTensor(new Float32Array([1, 2]), [2]), 1);
    sum.dataSync()[0] = 99;
    expect([...sum.dataSync()]).toEqual([2, 3]);
  });

  it('measures a speed and leaves no tensor behind', async () => {
    const before = tf.memory().numTensors;
    expect(await measureMatMul(engine(), { n: 64, most: 0.001 })).toBeGreaterThan(0);
    // Passes multiply at some share of a product's speed; the two are measured at different moments.
    const [passes, product] = [await measurePasses(engine()), await measureMatMul(engine())];
    expect(passes).toBeGreaterThan(0);
    expect(passes).toBeLessThan(3e9 * product);
    expect(tf.memory().numTensors).toBe(before);
  });
});

const engines = availableEngines();

describe.skipIf(engines.length < 2)(
  `switching between ${engines.join(' and ')} (needs a linked TensorFlow)`,
  () => {
    it('moves tensors to where they are used', async () => {
      await openEngine({ engine: engines[0]! });
      const a = tf.tensor1d([1, 2, 3]);
      await openEngine({ engine: 'wasm' });
      const b = tf.tensor1d([10, 20, 30]);
      expect([...tf.add(a, b).dataSync()]).toEqual([11, 22, 33]);
      expect((await openEngine({ engine: engines[0]! })).name).toBe(engines[0]);
      expect([...tf.mul(a, b).dataSync()]).toEqual([10, 40, 90]);
    });

    it('picks TensorFlow before wasm', async () => {
      expect((await openEngine()).name).toBe(engines[0]);
    });
  },
);

function shared(values: number[]): Float32Array {
  const array = new Float32Array(new SharedArrayBuffer(values.length * 4));
  array.set(values);
  return array;
}
