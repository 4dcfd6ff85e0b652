/** What the embedded engine does otherwise than the backend that it starts. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { openEngine } from '../../../src/engine/engine.js';

beforeAll(() => openEngine({ engine: 'wasm' }));

it.each(['first', 'second'] as const)('clones share values, which outlive the %s of them', (gone) => {
  const { numDataBuffers: before } = tf.memory();
  const first = tf.tensor1d([1, 2, 3]);
  const second = tf.clone(first);
  expect(tf.memory().numDataBuffers).toBe(before + 1);
  const [disposed, left] = gone === 'first' ? [first, second] : [second, first];
  disposed.dispose();
  // Would be written over if the memory were free.
  const other = tf.tensor1d([7, 8, 9]);
  expect([...left.dataSync()]).toEqual([1, 2, 3]);
  tf.dispose([left, other]);
  expect(tf.memory().numDataBuffers).toBe(before);
});
