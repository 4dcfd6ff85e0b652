import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../../src/formats/safetensors-write.js';
import { type Masks, readMasks, writeMasks } from '../../src/masks/masks-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'masks.safetensors');

const masks: Masks = {
  values: new Map([
    ['L0H1.qk', Float32Array.of(0, 0.25, 1)],
    ['L0H10.ov', Float32Array.of(1)],
    ['L2.mlp_gate', new Float32Array(0)],
  ]),
  metadata: {
    weightForm: 'reference',
    modelHash: 'ab'.repeat(32),
    components: ['qk', 'ov', 'mlp_gate'],
    rules: { qk: 'scale', ov: 'interchange' },
  },
};

it('reads back what it wrote', async () => {
  await writeMasks(path, masks);
  expect(await readMasks(path)).toEqual(masks);
  const source = await openSafetensors(path);
  expect(source.metadata).toEqual({
    schema_version: '1',
    weight_form: 'reference',
    model_hash: 'ab'.repeat(32),
    components: 'qk,ov,mlp_gate',
    rules: '{"qk":"scale","ov":"interchange"}',
  });
  await source.close();
});

it('reads a file of nothing but tensors', async () => {
  await writeSafetensors(
    path,
    new Map([['L0H1.qk', { dtype: 'F32', shape: [2], data: Float32Array.of(0, 1) }]]),
  );
  expect(await readMasks(path)).toEqual({
    values: new Map([['L0H1.qk', Float32Array.of(0, 1)]]),
    metadata: {},
  });
});

const list = (...values: number[]): TensorData => ({
  dtype: 'F32',
  shape: [values.length],
  data: Float32Array.from(values),
});

it.each<[string, string, TensorData, RegExp]>([
  ['above 1', 'L0H1.qk', list(0.5, 1.001), /mask "L0H1.qk" holds 1\.00.* at index 1/],
  ['below 0', 'L0H1.qk', list(-1e-9), /holds -.* at index 0/],
  ['NaN', 'L0H1.qk', list(Number.NaN), /holds NaN/],
  ['infinite', 'L0H1.qk', list(Infinity), /holds Infinity/],
  [
    'half precision',
    'L0H1.qk',
    { ...list(1), dtype: 'F16' } as TensorData,
    /is F16 of shape \[1\]; masks are lists of F32/,
  ],
  ['a matrix', 'L0H1.qk', { dtype: 'F32', shape: [1, 1], data: Float32Array.of(1) }, /shape \[1,1\]/],
  ['a number', 'L0H1.qk', { dtype: 'F32', shape: [], data: Float32Array.of(1) }, /shape \[\]/],
  ['a head without a layer', 'H1.qk', list(1), /"H1.qk" is no component's name/],
  ['a head with an MLP', 'L1H1.mlp_in', list(1), /is no component's name/],
  ['a layer with a head matrix', 'L1.qk', list(1), /is no component's name/],
])('refuses masks that are %s', async (_, name, tensor, message) => {
  await writeSafetensors(path, new Map([[name, tensor]]));
  await expect(readMasks(path)).rejects.toThrow(message);
  await expect(readMasks(path)).rejects.toBeInstanceOf(InputError);
});

it.each([
  [{ schema_version: '2' }, /schema version 2, this program reads 1/],
  [{ rules: '{' }, /"rules" is not a JSON object/],
  [{ rules: '[]' }, /"rules" is not a JSON object/],
  [{ rules: '{"qk":1}' }, /"rules" is not a JSON object/],
])('refuses metadata %j', async (metadata, message) => {
  await writeSafetensors(
    path,
    new Map([['L0H1.qk', list(1)]]),
    metadata as unknown as Record<string, string>,
  );
  await expect(readMasks(path)).rejects.toThrow(message);
});

it('refuses a file without masks, and one that is not there', async () => {
  await writeSafetensors(path, new Map());
  await expect(readMasks(path)).rejects.toThrow(/holds no masks/);
  await expect(readMasks(join(folder, 'none'))).rejects.toThrow(/none: no such file/);
});

it('does not write what it would not read', async () => {
  const target = join(folder, 'new.safetensors');
  const wrong = (name: string, value: number) =>
    writeMasks(target, { values: new Map([[name, Float32Array.of(value)]]), metadata: {} });
  await expect(wrong('L0H1.qk', 2)).rejects.toThrow(RangeError);
  await expect(wrong('L0H1.qk', Number.NaN)).rejects.toThrow(RangeError);
  await expect(wrong('wq', 1)).rejects.toThrow(RangeError);
  expect(existsSync(target)).toBe(false);
});
