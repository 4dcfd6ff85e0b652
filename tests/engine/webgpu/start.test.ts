import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { decompose } from '../../../src/decompose/decompose.js';
import { DecompositionStore } from '../../../src/decompose/store.js';
import { openEngine } from '../../../src/engine/engine.js';
import { measureMatMul } from '../../../src/engine/measure.js';
import { toTensor } from '../../../src/engine/tensor.js';
import { InputError } from '../../../src/errors.js';
import { MaskedModel } from '../../../src/forward/masked-model.js';
import { FULL_PASSES } from '../../../src/forward/passes.js';
import { Random } from '../../../src/random.js';
import { runnerInThisThread } from '../../../src/run/mask-runner.js';
import { openForTest } from '../../support/open-model.js';
import { writeRandomGpt2 } from '../../support/random-gpt2.js';

const missing = await openEngine({ engine: 'webgpu' }).then(
  () => undefined,
  (error) => {
    if (error instanceof InputError) return error.message;
    throw error;
  },
);

describe.skipIf(missing)(`WebGPU${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'orthoscope-'));
  afterAll(() => rmSync(folder, { recursive: true }));

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
    const engine = await openEngine({ engine: 'webgpu' });
    expect(await measureMatMul(engine, { n: 64, most: 0.001 })).toBeGreaterThan(0);
  });

  it('uploads shared memory, and more than it writes at once', async () => {
    await openEngine({ engine: 'webgpu' });
    const values = new Float32Array(new SharedArrayBuffer(4 * 600_000)).map((_, index) => index);
    const doubled = tf.mul(toTensor(values, [600_000]), 2);
    expect((await doubled.data()).every((value, index) => value === 2 * index)).toBe(true);
  });

  it('plays what it recorded on other values, constants and all', async () => {
    const engine = await openEngine({ engine: 'webgpu' });
    const weights = toTensor(new Float32Array([1, 2, 3, 4]), [2, 2]);
    const replays = engine.openReplays!();
    const results: number[][] = [];
    const before = tf.memory().numTensors;
    for (let call = 0; call < 4; call++) {
      const x = toTensor(new Float32Array([call, 1]), [1, 2]);
      // Buffers are freed before the constant is made, which must not land in one of them.
      const [y] = replays.run({ pass: 'y' }, [x], () => [
        tf.tidy(() => {
          const first = tf.matMul(tf.square(x), weights);
          const early = tf.sum(tf.exp(first));
          const constant = toTensor(new Float32Array([10, 20]), [1, 2]);
          return tf.add(tf.add(tf.mul(first, constant), tf.mul(early, 0)), tf.ones([1, 2]));
        }),
      ]);
      results.push([...(await y!.data())]);
      tf.dispose([x, y!]);
    }
    expect(results).toEqual([0, 1, 2, 3].map((n) => [10 * (n * n + 3) + 1, 20 * (2 * n * n + 4) + 1]));
    expect(tf.memory().numTensors).toBe(before);
    replays.dispose();
  });

  it('goes on after a computation that cannot be recorded', async () => {
    const engine = await openEngine({ engine: 'webgpu' });
    const replays = engine.openReplays!();
    const x = () => toTensor(new Float32Array([1, 2]), [2]);
    const reading = () => {
      const y = tf.square(x());
      void y.data().catch(() => {});
      return [y];
    };
    replays.run({ pass: 'reads' }, [x()], reading);
    const used = x();
    await tf.square(used).data();
    expect(() => replays.run({ pass: 'reads' }, [used], reading)).toThrow('on the GPU already');
    expect([...(await tf.square(x()).data())]).toEqual([1, 4]);
  });

  it("finds wasm's gradient and KL, anew and played back", async () => {
    await writeRandomGpt2(folder);
    const model = await openForTest(folder);
    const decomposition = await decompose(model, { store: new DecompositionStore(join(folder, 'store')) });
    const random = new Random(5);
    const prompt = (length: number) => Int32Array.from({ length }, () => random.integer(17));
    const pairs = [3, 5, 4, 5].map((length, id) => ({
      id: String(id),
      clean: prompt(length),
      corrupted: prompt(length),
      answers: Int32Array.of(1),
      distractors: Int32Array.of(2),
    }));
    const masksOf = (size: number) =>
      Array.from({ length: 4 }, () => random.uniform()).map((level) => new Float32Array(size).fill(level));
    let masks: Float32Array[] = [];
    const found = async (name: 'wasm' | 'webgpu') => {
      const engine = await openEngine({ engine: name });
      const runner = runnerInThisThread(await MaskedModel.load(engine, model, decomposition), FULL_PASSES);
      if (masks.length === 0) masks = masksOf(runner.layout.size);
      const prepared = await runner.prepare(pairs, { replacement: 'interchange', seed: 0 });
      const results = [];
      for (const each of masks) {
        const { kl, loss, gradient } = await prepared.objective([2, 0, 3], each, 'cross_entropy');
        results.push([kl, loss, await prepared.kl(each), ...gradient]);
      }
      await runner.close();
      return results;
    };
    const [expected, results] = [await found('wasm'), await found('webgpu')];
    results.forEach((row, call) => {
      const largest = Math.max(...expected[call]!.map(Math.abs));
      row.forEach((value, at) => {
        expect(Math.abs(value - expected[call]![at]!)).toBeLessThan(2e-5 * largest);
      });
    });
  });
});

it.runIf(missing)('without WebGPU, says what it needs', () => {
  expect(missing).toMatch(/^engine webgpu: .*(npm install webgpu|driver|does not start)/);
});
