import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it, vi } from 'vitest';
import { openEngine } from '../../../src/engine/engine.js';
import type { ReplayKey } from '../../../src/engine/replay.js';
import { type Recorder, replaysOf } from '../../../src/engine/webgpu/replays.js';

/** Stands for a GPU: a recording is its number, and playing it says so. */
function recorder() {
  const disposed: number[] = [];
  let count = 0;
  const record = vi.fn(() => {
    const number = ++count;
    return { number, dispose: () => void disposed.push(number) };
  });
  const play: Recorder<ReturnType<typeof record>>['play'] = ({ number }) => [tf.scalar(number)];
  const replays = replaysOf({ values: () => [], record, play });
  /** 0 where it was computed, else the recording's number. */
  const run = (key: string, inputs: tf.Tensor[] = []) => {
    const [result] = replays.run({ pass: key }, inputs, () => [tf.scalar(0)]);
    return result!.dataSync()[0];
  };
  return { replays, record, run, disposed };
}

beforeAll(() => openEngine({ engine: 'wasm' }));

it('computes what comes once, records what comes again, and plays that from then on', () => {
  const { run, record } = recorder();
  expect([run('a'), run('a'), run('a'), run('b'), run('a')]).toEqual([0, 1, 1, 0, 1]);
  expect(record).toHaveBeenCalledTimes(1);
});

it('takes computations whose keys say the same, in whatever order, for one; any other choice for another', () => {
  const { replays } = recorder();
  const run = (key: ReplayKey) => replays.run(key, [], () => [tf.scalar(0)])[0]!.dataSync()[0];
  expect(run({ loss: 'kl', total: 32 })).toBe(0);
  expect(run({ total: 32, loss: 'kl' })).toBe(1);
  expect(run({ loss: 'kl', total: 64 })).toBe(0);
  expect(run({ loss: 'kl' })).toBe(0);
});

it('takes other shapes for another computation', () => {
  const { run } = recorder();
  const [small, large] = [tf.zeros([2, 3]), tf.zeros([3, 2])];
  expect([run('a', [small]), run('a', [small]), run('a', [large]), run('a', [large])]).toEqual([0, 1, 0, 2]);
});

it('keeps four; one that comes twice as often takes the place of the rarest', () => {
  const { run, disposed } = recorder();
  for (const key of ['a', 'a', 'b', 'b', 'b', 'c', 'c', 'c', 'd', 'd', 'd']) run(key);
  expect([run('e'), run('e'), run('e'), run('e')]).toEqual([0, 0, 0, 5]);
  expect(disposed).toEqual([1]);
  expect(run('b')).toBe(2);
});

it('does not record again and again where many take turns', () => {
  const { run, record } = recorder();
  for (let round = 0; round < 50; round++) for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) run(key);
  expect(record).toHaveBeenCalledTimes(4);
});

it('frees its recordings', () => {
  const { run, replays, disposed } = recorder();
  for (const key of ['a', 'a', 'b', 'b']) run(key);
  replays.dispose();
  expect(disposed).toEqual([1, 2]);
});
