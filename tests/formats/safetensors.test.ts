import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { openSafetensors, openWeights } from '../../src/formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../../src/formats/safetensors-write.js';
import { entry, rawSafetensors } from '../support/safetensors-bytes.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const path = join(folder, 'a.safetensors');

function f32(values: number[], shape = [values.length]): TensorData {
  return { dtype: 'F32', shape, data: Float32Array.from(values) };
}

describe('reading one file', () => {
  it('gives every float dtype as float32, on ordinary or shared memory', async () => {
    const data = Buffer.concat([
      Buffer.from(new Float64Array([1 / 3, -1e300]).buffer),
      Buffer.from(new Float32Array([1.5, -2]).buffer),
      Buffer.from(new Uint16Array([0x3c00, 0xc000]).buffer),
      Buffer.from(new Uint16Array([0x3f80, 0xc000]).buffer),
    ]);
    writeFileSync(
      path,
      rawSafetensors(
        {
          d: entry('F64', [2], 0, 16),
          s: entry('F32', [2], 16, 24),
          h: entry('F16', [2], 24, 28),
          b: entry('BF16', [2], 28, 32),
        },
        data,
      ),
    );
    const source = await openSafetensors(path);
    expect([...(await source.readFloat32('d'))]).toEqual([Math.fround(1 / 3), -Infinity]);
    expect([...(await source.readFloat32('s'))]).toEqual([1.5, -2]);
    expect([...(await source.readFloat32('h'))]).toEqual([1, -2]);
    expect([...(await source.readFloat32('b'))]).toEqual([1, -2]);
    const given = new ArrayBuffer(8);
    expect((await source.readFloat32('s', { memory: () => given })).buffer).toBe(given);
    await expect(source.readFloat32('d', { finite: true })).rejects.toThrow('"d" holds -Infinity at index 1');
    await source.close();
  });

  it('reads in pieces without a seam', async () => {
    // More than one piece of conversion for two-byte numbers.
    const rows = 2100;
    const values = Float32Array.from({ length: rows * 1024 }, (_, i) => i % 251);
    await writeSafetensors(path, new Map([['w', { dtype: 'BF16', shape: [rows, 1024], data: values }]]));
    const source = await openSafetensors(path);
    const read = await source.readFloat32('w');
    expect(read.every((value, i) => value === values[i])).toBe(true);
    await source.close();
  });

  it.each([Number.NaN, Infinity, -Infinity])(
    'finds a single %s where finite numbers are asked for',
    async (bad) => {
      for (const dtype of ['F32', 'F16', 'BF16'] as const) {
        const data = new Float32Array(3_000_000);
        data[2_999_998] = bad;
        await writeSafetensors(path, new Map([['w', { dtype, shape: [data.length], data }]]));
        const source = await openSafetensors(path);
        await expect(source.readFloat32('w', { finite: true })).rejects.toThrow(
          `${path}: tensor "w" holds ${bad} at index 2999998`,
        );
        expect((await source.readFloat32('w'))[2_999_998]).toBe(bad);
        await source.close();
      }
    },
  );

  it('says which tensor is missing or is not made of floats', async () => {
    await writeSafetensors(path, new Map([['n', { dtype: 'I32', shape: [1], data: Int32Array.of(1) }]]));
    const source = await openSafetensors(path);
    await expect(source.readFloat32('x')).rejects.toThrow(`${path}: no tensor "x"`);
    expect(() => source.info('x')).toThrow(InputError);
    await expect(source.readFloat32('n')).rejects.toThrow(
      '"n" has dtype I32; F32, F16, BF16 and F64 can be read',
    );
    await source.close();
  });

  it('notices a file that shrinks after it was opened', async () => {
    await writeSafetensors(path, new Map([['w', f32([1, 2, 3, 4])]]));
    const source = await openSafetensors(path);
    truncateSync(path, 70);
    await expect(source.readFloat32('w')).rejects.toThrow(`${path}: ended early`);
    await source.close();
  });

  it('says so where there is no file or a folder', async () => {
    await expect(openSafetensors(join(folder, 'none'))).rejects.toThrow(/none: no such file/);
    await expect(openSafetensors(folder)).rejects.toThrow(/is a folder/);
  });
});

describe('a folder of weights', () => {
  const model = join(folder, 'model');
  const index = (map: unknown) =>
    writeFileSync(join(model, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  const shards = async () => {
    mkdirSync(model, { recursive: true });
    await writeSafetensors(
      join(model, '1.safetensors'),
      new Map([
        ['a', f32([1])],
        ['c', f32([3])],
      ]),
      { x: '1' },
    );
    await writeSafetensors(join(model, '2.safetensors'), new Map([['b', f32([2])]]), { y: '2' });
    index({ a: '1.safetensors', b: '2.safetensors', c: '1.safetensors' });
  };
  afterEach(() => rmSync(model, { recursive: true, force: true }));

  it('reads shards as if they were one', async () => {
    await shards();
    const source = await openWeights(model);
    expect(source.names()).toEqual(['a', 'b', 'c']);
    expect(source.files).toEqual([join(model, '1.safetensors'), join(model, '2.safetensors')]);
    expect(source.metadata).toEqual({ x: '1', y: '2' });
    for (const [i, name] of ['a', 'b', 'c'].entries())
      expect([...(await source.readFloat32(name))]).toEqual([i + 1]);
    expect(source.info('b')).toEqual({ dtype: 'F32', shape: [1] });
    await source.close();
  });

  it('prefers model.safetensors to an index', async () => {
    await shards();
    await writeSafetensors(join(model, 'model.safetensors'), new Map([['only', f32([9])]]));
    const source = await openWeights(model);
    expect(source.names()).toEqual(['only']);
    await source.close();
  });

  it('refuses what an index gets wrong', async () => {
    await shards();
    const cases: [unknown, RegExp][] = [
      [
        { a: 'gone.safetensors', b: '1.safetensors' },
        /1 of the files that .* names are not there \(gone\.safetensors\)/,
      ],
      [{ b: '1.safetensors' }, /1\.safetensors: no tensor "b", which model\.safetensors\.index\.json says/],
      [{ a: '../model/1.safetensors' }, /is not a file's name/],
      [{ a: '/etc/passwd' }, /is not a file's name/],
      [{ a: 3 }, /the number 3 is not a file's name/],
      [[], /"weight_map" is a list/],
      [undefined, /"weight_map" is undefined/],
    ];
    for (const [map, message] of cases) {
      index(map);
      await expect(openWeights(model)).rejects.toThrow(message);
      await expect(openWeights(model)).rejects.toBeInstanceOf(InputError);
    }
    writeFileSync(join(model, 'model.safetensors.index.json'), '{"weight_map"');
    await expect(openWeights(model)).rejects.toThrow(/index\.json: not valid JSON/);
  });

  it('says so where there are no weights', async () => {
    mkdirSync(model);
    await expect(openWeights(model)).rejects.toThrow(
      /no model\.safetensors and no model\.safetensors\.index\.json/,
    );
  });

  it.each([
    ['tiny.gguf', /tiny\.gguf is GGUF, which is not read/],
    ['pytorch_model.bin', /only pytorch_model\.bin, which is not read: to load it can run code/],
    [
      'adapter_model.safetensors',
      /adapter_model\.safetensors is an adapter; merge|is an adapter, not a model; merge/,
    ],
    ['model-00001-of-00002.safetensors', /only shards such as model-00001.*: the download was not finished/],
    ['weights.safetensors', /only weights\.safetensors; call it model\.safetensors/],
  ])('names %s where it is all there is', async (name, message) => {
    mkdirSync(model);
    writeFileSync(join(model, name), '');
    await expect(openWeights(model)).rejects.toThrow(message);
  });

  it('knows a download that was not finished, and a Git LFS pointer', async () => {
    mkdirSync(model);
    symlinkSync('../blobs/none', join(model, 'model.safetensors'));
    await expect(openWeights(model)).rejects.toThrow(
      /model\.safetensors is a link to a file that is not there/,
    );
    rmSync(join(model, 'model.safetensors'));
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 9\n`;
    writeFileSync(join(model, 'model.safetensors'), pointer);
    await expect(openWeights(model)).rejects.toThrow(
      /model\.safetensors: is a Git LFS pointer, not the file; run: git lfs pull/,
    );
  });
});

describe('tensors of a dtype that is not read', () => {
  it('do not keep the others from being read', async () => {
    const path = join(folder, 'odd.safetensors');
    const entries = {
      a: entry('F32', [1], 0, 4),
      b: entry('F4', [2, 4], 4, 8),
      c: entry('F6_E2M3', [4], 8, 11),
    };
    const data = Buffer.concat([Buffer.from(Float32Array.of(1).buffer), Buffer.alloc(7)]);
    writeFileSync(path, rawSafetensors(entries, data));
    const source = await openSafetensors(path);
    expect(await source.readFloat32('a')).toEqual(Float32Array.of(1));
    await expect(source.readFloat32('b')).rejects.toThrow(/tensor "b" has dtype F4; F32, F16, BF16 and F64/);
    await source.close();
  });
});

describe('write, then read', () => {
  const values = (dtype: string): fc.Arbitrary<number> =>
    dtype === 'F32'
      ? fc.float()
      : // Every 16-bit pattern as a float, so that rounding changes nothing.
        fc.integer({ min: 0, max: 0xffff }).map((bits) => {
          if (dtype === 'BF16') return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
          const exponent = (bits >> 10) & 31;
          const size =
            exponent === 0 ? (bits & 1023) * 2 ** -24 : (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15);
          const magnitude = exponent === 31 ? ((bits & 1023) === 0 ? Infinity : Number.NaN) : size;
          return bits & 0x8000 ? -magnitude : magnitude;
        });
  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
  const tensor = fc.tuple(fc.constantFrom('F32', 'F16', 'BF16'), shape).chain(([dtype, shape]) => {
    const length = shape.reduce((product, size) => product * size, 1);
    return fc
      .array(values(dtype), { minLength: length, maxLength: length })
      .map((list) => ({ dtype, shape, data: Float32Array.from(list) }) as TensorData);
  });
  const name = fc.string({ minLength: 1, unit: 'binary' }).filter((name) => name !== '__metadata__');

  it('gives back the same names, dtypes, shapes, values and metadata', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(name, tensor), { selector: ([name]) => name, maxLength: 5 }),
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 3, noNullPrototype: true }),
        async (tensors, metadata) => {
          await writeSafetensors(path, new Map(tensors), metadata);
          const source = await openSafetensors(path);
          try {
            expect(source.names()).toEqual(tensors.map(([name]) => name).sort());
            expect(source.metadata).toEqual(metadata);
            for (const [name, { dtype, shape, data }] of tensors) {
              expect(source.info(name)).toEqual({ dtype, shape });
              expect(await source.readFloat32(name)).toEqual(data);
            }
          } finally {
            await source.close();
          }
        },
      ),
      { numRuns: 60, examples: [[[], JSON.parse('{"__proto__": "x"}')]] },
    );
  });
});
