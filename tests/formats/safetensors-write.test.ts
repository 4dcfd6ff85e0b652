import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../../src/formats/safetensors-write.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'a.safetensors');

const tensors: [string, TensorData][] = [
  ['half', { dtype: 'F16', shape: [3], data: Float32Array.of(1, 2, 3) }],
  ['b', { dtype: 'F32', shape: [1, 2], data: Float32Array.of(1, 2) }],
  ['a', { dtype: 'I32', shape: [1], data: Int32Array.of(-7) }],
  ['2', { dtype: 'F32', shape: [], data: Float32Array.of(4) }],
];

it('writes the same bytes in whatever order tensors and metadata come', async () => {
  await writeSafetensors(path, new Map(tensors), { b: '2', a: '1' });
  const first = readFileSync(path);
  await writeSafetensors(path, new Map([...tensors].reverse()), { a: '1', b: '2' });
  expect(readFileSync(path).equals(first)).toBe(true);
  const length = Number(first.readBigUInt64LE());
  expect(length % 8).toBe(0);
  const header = first.subarray(8, 8 + length).toString();
  expect([...header.matchAll(/"(\w+)":\{"dtype/g)].map(([, name]) => name)).toEqual(['2', 'a', 'b', 'half']);
});

it('writes integers', async () => {
  await writeSafetensors(path, new Map(tensors));
  const bytes = readFileSync(path);
  const data = 8 + Number(bytes.readBigUInt64LE());
  expect(bytes.readInt32LE(data + 4)).toBe(-7);
  const source = await openSafetensors(path);
  expect(source.info('a')).toEqual({ dtype: 'I32', shape: [1] });
  await source.close();
});

it('writes a part of an array, and an array on shared memory', async () => {
  const shared = new Float32Array(new SharedArrayBuffer(16));
  shared.set([1, 2, 3, 4]);
  await writeSafetensors(
    path,
    new Map<string, TensorData>([
      ['f', { dtype: 'F32', shape: [2], data: shared.subarray(1, 3) }],
      ['h', { dtype: 'F16', shape: [2], data: shared.subarray(2) }],
    ]),
  );
  const source = await openSafetensors(path);
  expect([...(await source.readFloat32('f'))]).toEqual([2, 3]);
  expect([...(await source.readFloat32('h'))]).toEqual([3, 4]);
  await source.close();
});

it('refuses data that does not fill its shape, and leaves nothing behind', async () => {
  const target = join(folder, 'new.safetensors');
  const wrong = new Map<string, TensorData>([
    ['w', { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2) }],
  ]);
  await expect(writeSafetensors(target, wrong)).rejects.toThrow('tensor "w" has 2 values for shape [3]');
  expect(existsSync(target)).toBe(false);
  await expect(writeSafetensors(join(folder, 'none', 'x'), new Map(tensors))).rejects.toBeInstanceOf(
    InputError,
  );
  expect(readdirSync(folder)).toEqual(['a.safetensors']);
});

describe('checksums', () => {
  const TENSORS = new Map<string, TensorData>([
    ['f', { dtype: 'F32', shape: [3], data: Float32Array.of(1, -2, 3) }],
    ['h', { dtype: 'F16', shape: [2], data: Float32Array.of(0.1, 2) }],
    ['i', { dtype: 'I32', shape: [2], data: Int32Array.of(-1, 7) }],
  ]);

  it('are written on request and held to by checked reads', async () => {
    await writeSafetensors(path, TENSORS, { a: '1' }, { checksums: true });
    const source = await openSafetensors(path);
    // By Python's zlib.crc32.
    expect(JSON.parse(source.metadata.crc32!)).toMatchObject({ f: 0x3e82623 });
    expect(source.metadata.a).toBe('1');
    expect([...(await source.readFloat32('f', { checked: true }))]).toEqual([1, -2, 3]);
    expect((await source.readFloat32('h', { checked: true }))[1]).toBe(2);
    await source.close();
  });

  it('refuse a tensor with a flipped bit, and no other', async () => {
    await writeSafetensors(path, TENSORS, {}, { checksums: true });
    const whole = readFileSync(path);
    const data = 8 + Number(whole.readBigUInt64LE());
    // F32 and I32 come first, by name, then F16: 12, 8 and 4 bytes.
    for (const [name, first, bytes] of [
      ['f', 0, 12],
      ['h', 20, 4],
    ] as const)
      for (let at = 0; at < bytes; at++) {
        const damaged = Buffer.from(whole);
        damaged[data + first + at]! ^= 1 << (at % 8);
        writeFileSync(path, damaged);
        const source = await openSafetensors(path);
        for (const other of ['f', 'h']) {
          const read = source.readFloat32(other, { checked: true });
          if (other === name) await expect(read).rejects.toThrow(/damaged/);
          else await read;
        }
        await source.close();
      }
  });

  it('are missed where a file has none', async () => {
    await writeSafetensors(path, TENSORS);
    const source = await openSafetensors(path);
    await expect(source.readFloat32('f', { checked: true })).rejects.toThrow(/has no checksums/);
    await expect(source.readFloat32('i')).rejects.toThrow(/dtype I32; F32, F16, BF16 and F64 can be read/);
    await source.close();
  });
});
