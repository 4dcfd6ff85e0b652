import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Model } from '../../src/models/weights.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
let reference: Model;
let folded: Model;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), {});
  reference = await openForTest(join(folder, 'model'), 'reference');
  folded = await openForTest(join(folder, 'model'), 'folded');
});

it('gives the same output in both forms', async () => {
  const prompt = [3, 1, 4, 1, 5];
  const [a, b] = await Promise.all(
    [reference, folded].map(
      async (model) => referenceForward((await decomposed(model)).reference, prompt).logProbabilities,
    ),
  );
  a!.forEach((value, i) => expect(value).toBeCloseTo(b![i]!, 4));
});

it('centres what reads and what writes the stream, in the reference form only', async () => {
  const d = reference.architecture.dModel;
  const columnMean = (weight: Float32Array, cols: number, c: number) =>
    Array.from({ length: d }, (_, r) => weight[r * cols + c]!).reduce((a, b) => a + b, 0) / d;
  const rowMean = (weight: Float32Array, cols: number, r: number) =>
    weight.subarray(r * cols, (r + 1) * cols).reduce((a, b) => a + b, 0) / cols;
  const layer = await reference.layer(0);
  for (const { weight, cols } of [layer.q, layer.k, layer.v, layer.mlpIn])
    expect(columnMean(weight, cols, 1)).toBeCloseTo(0, 6);
  for (const { weight, cols, rows, bias } of [layer.o, layer.mlpOut]) {
    expect(rowMean(weight, cols, rows - 1)).toBeCloseTo(0, 6);
    expect(rowMean(bias!, cols, 0)).toBeCloseTo(0, 6);
  }
  const { embed, positions, unembed } = await reference.ends();
  expect(rowMean(embed, d, 2)).toBeCloseTo(0, 6);
  expect(rowMean(positions!, d, 2)).toBeCloseTo(0, 6);
  expect(rowMean(unembed.weight, unembed.cols, 2)).toBeCloseTo(0, 6);
  expect(columnMean(unembed.weight, unembed.cols, 2)).toBeCloseTo(0, 6);
  const plain = await folded.layer(0);
  expect(Math.abs(columnMean(plain.q.weight, plain.q.cols, 1))).toBeGreaterThan(1e-3);
});

it('moves value biases into the output bias in the reference form', async () => {
  expect((await reference.layer(0)).v.bias!.every((value) => value === 0)).toBe(true);
  expect((await folded.layer(0)).v.bias!.some((value) => value !== 0)).toBe(true);
});
