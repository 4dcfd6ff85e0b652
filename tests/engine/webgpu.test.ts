import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/engine.js';
import { measureMatMul } from '../../src/engine/measure.js';
import { toTensor } from '../../src/engine/tensor.js';
import { InputError } from '../../src/errors.js';

const missing = await openEngine({ engine: 'webgpu' }).then(
  () => undefined,
  (error) => {
    if (error instanceof InputError) return error.message;
    throw error;
  },
);

describe.skipIf(missing)(`WebGPU${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it('multiplies, in every orientation', async () => {
    const engine = await openEngine({ engine: 'webgpu' });
    expect(engine).toMatchObject({ name: 'webgpu', reason: 'webgpu was asked for' });
    expect(engine.version).toMatch(/^TensorFlow\.js .* on ./);
    const a = toTensor(new Float32Array([1, 2, 3, 4, 5, 6]), [2, 3]);
    const b = toTensor(new Float32Array([1, 0, 2, 0, 1, 0]), [2, 3]);
    expect([...(await tf.matMul(a, b, false, true).data())]).toEqual([7, 2, 16, 5]);
    expect([...(await tf.matMul(a, b, true, false).data())]).toEqual([1, 4, 2, 2, 5, 4, 3, 6, 6]);
  });

  it('has a speed that can be measured', async () => {
    expect(await measureMatMul(64, 0.001)).toBeGreaterThan(0);
  });
});

it.runIf(missing)('without WebGPU, says what it needs', () => {
  expect(missing).toMatch(/^engine webgpu: .*(npm install webgpu|driver|does not start)/);
});
