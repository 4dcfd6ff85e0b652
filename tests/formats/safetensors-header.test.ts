import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { entry, rawSafetensors } from '../support/safetensors-bytes.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const path = join(temporaryFolder(), 'a.safetensors');

async function refusal(bytes: Uint8Array): Promise<string> {
  writeFileSync(path, bytes);
  const error = await openSafetensors(path).then(
    async (source) => {
      await source.close();
      return null;
    },
    (caught: unknown) => caught,
  );
  expect(error, 'the file was accepted').toBeInstanceOf(InputError);
  const { message } = error as InputError;
  expect(message.startsWith(`${path}: `), message).toBe(true);
  expect(message).not.toContain('\n');
  return message.slice(path.length + 2);
}

const whole = rawSafetensors(
  { __metadata__: { format: 'pt' }, a: entry('F32', [2, 2], 0, 16), b: entry('F16', [3], 16, 22) },
  new Uint8Array(22),
);

describe('a damaged safetensors file is refused', () => {
  it('cut off after any number of bytes', async () => {
    for (let length = 0; length < whole.length; length++) await refusal(whole.subarray(0, length));
    writeFileSync(path, whole);
    await (await openSafetensors(path)).close();
  });

  it('with bytes after the last tensor', async () => {
    expect(await refusal(Buffer.concat([whole, Buffer.alloc(3)]))).toMatch(/^3 bytes after the last tensor/);
  });

  const two = (a: object, b: object): Buffer => rawSafetensors({ a, b }, new Uint8Array(16));
  const one = (header: object, bytes = 16): Buffer => rawSafetensors({ a: header }, new Uint8Array(bytes));

  const cases: [what: string, bytes: Uint8Array, message: RegExp][] = [
    ['a header longer than the file', rawSafetensors({}, new Uint8Array(), 3n), /header of 3 bytes, but/],
    ['a header of 2^63 bytes', rawSafetensors({}, new Uint8Array(), 1n << 63n), /the format allows/],
    ['a header of no bytes', rawSafetensors('', new Uint8Array()), /does not begin with "\{"/],
    ['a list for a header', rawSafetensors('[]', new Uint8Array()), /does not begin with "\{"/],
    ['a header that is not JSON', rawSafetensors('{"a":\n', new Uint8Array()), /header: not valid JSON/],
    [
      'a header that is not UTF-8',
      rawSafetensors('{}  ', new Uint8Array()).fill(0xff, 10),
      /not valid UTF-8/,
    ],
    [
      'the same name twice',
      rawSafetensors(
        `{"a":${JSON.stringify(entry('F32', [0], 0, 0))},"\\u0061":${JSON.stringify(entry('F32', [0], 0, 0))}}`,
        new Uint8Array(),
      ),
      /holds "a" twice/,
    ],
    [
      'the same field twice',
      rawSafetensors(
        '{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
        new Uint8Array(),
      ),
      /holds "dtype" twice/,
    ],
    [
      'an entry that is no object',
      rawSafetensors({ a: 3 }, new Uint8Array()),
      /tensor "a": expected an object/,
    ],
    ['no dtype', one({ shape: [4], data_offsets: [0, 16] }), /dtype is undefined; F32 is one/],
    ['a dtype that is no word', one(entry('F 32', [4], 0, 16)), /dtype is the string "F 32"/],
    [
      'a dtype that is a number',
      one({ dtype: 32, shape: [4], data_offsets: [0, 16] }),
      /dtype is the number 32/,
    ],
    ['no shape', one({ dtype: 'F32', data_offsets: [0, 16] }), /shape undefined is not a list/],
    ['a negative size', one(entry('F32', [-4], 0, 16)), /shape \[-4\] is not a list/],
    ['a broken size', one(entry('F32', [0.5, 8], 0, 16)), /shape \[0.5,8\] is not a list/],
    ['a size that is text', one({ dtype: 'F32', shape: ['4'], data_offsets: [0, 16] }), /is not a list/],
    ['no offsets', one({ dtype: 'F32', shape: [4] }), /data_offsets undefined/],
    ['three offsets', one({ dtype: 'F32', shape: [4], data_offsets: [0, 16, 32] }), /are not two/],
    ['a negative offset', one(entry('F32', [4], -16, 0)), /are not two whole numbers/],
    ['an offset beyond exact numbers', one(entry('F32', [4], 2 ** 53, 2 ** 53 + 16)), /are not two whole/],
    ['offsets in the wrong order', one(entry('F32', [4], 16, 0)), /end before they start/],
    ['fewer bytes than the shape needs', one(entry('F32', [5], 0, 16)), /takes 20 bytes.*hold 16/],
    ['more bytes than the shape needs', one(entry('F32', [3], 0, 16)), /takes 12 bytes.*hold 16/],
    ['a shape that overflows', one(entry('F32', [2 ** 52, 2 ** 52, 2 ** 52], 0, 16)), /takes .* bytes/],
    [
      'a shape that overflows to nothing',
      one(entry('F32', [...Array<number>(40).fill(2 ** 52), 0], 0, 16)),
      /takes NaN bytes/,
    ],
    ['a tensor beyond the end', one(entry('F32', [1024], 0, 4096)), /ends at byte .* but the file has/],
    ['tensors that overlap', two(entry('F32', [3], 0, 12), entry('F32', [2], 8, 16)), /inside tensor "a"/],
    [
      'tensors in the same place',
      two(entry('F32', [4], 0, 16), entry('F32', [4], 0, 16)),
      /inside tensor "a"/,
    ],
    ['a gap at the start', one(entry('F32', [2], 8, 16)), /with a gap after the header/],
    [
      'a gap in between',
      two(entry('F32', [1], 0, 4), entry('F32', [2], 8, 16)),
      /with a gap after tensor "a"/,
    ],
    ['a gap at the end', one(entry('F32', [2], 0, 8)), /8 bytes after the last tensor/],
    [
      'metadata that is a list',
      rawSafetensors({ __metadata__: [] }, new Uint8Array()),
      /"__metadata__" is a list/,
    ],
    [
      'metadata that is null',
      rawSafetensors({ __metadata__: null }, new Uint8Array()),
      /"__metadata__" is null/,
    ],
    [
      'metadata that is not strings',
      rawSafetensors({ __metadata__: { step: 3 } }, new Uint8Array()),
      /entry "step" is the number 3, not a string/,
    ],
  ];
  it.each(cases)('%s', async (_, bytes, message) => {
    expect(await refusal(bytes)).toMatch(message);
  });
});

describe('what the format allows is read', () => {
  const open = async (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    return openSafetensors(path);
  };

  it('an empty file, padding, and tensors listed in another order than they lie', async () => {
    await (await open(rawSafetensors('{}', new Uint8Array()))).close();
    const data = new Uint8Array(new Float32Array([1, 2, 3]).buffer);
    const source = await open(
      rawSafetensors(
        `${JSON.stringify({ b: entry('F32', [1], 8, 12), a: entry('F32', [2], 0, 8) })}    `,
        data,
      ),
    );
    expect(source.names()).toEqual(['a', 'b']);
    expect([...(await source.readFloat32('a'))]).toEqual([1, 2]);
    expect([...(await source.readFloat32('b'))]).toEqual([3]);
    await source.close();
  });

  it('texts of any length in the metadata', async () => {
    const long = '\\"'.repeat(10_000_000);
    const source = await open(rawSafetensors(`{"__metadata__":{"x":"${long}"}}`, new Uint8Array()));
    expect(source.metadata.x).toHaveLength(10_000_000);
    await source.close();
  });

  it('tensors without elements, and a single number', async () => {
    const source = await open(
      rawSafetensors(
        {
          none: entry('F32', [0], 0, 0),
          scalar: entry('F32', [], 0, 4),
          flat: entry('F16', [3, 0, 2], 4, 4),
          last: entry('F32', [0, 5], 4, 4),
        },
        new Uint8Array(new Float32Array([7]).buffer),
      ),
    );
    expect([...(await source.readFloat32('scalar'))]).toEqual([7]);
    for (const name of ['none', 'flat', 'last']) expect(await source.readFloat32(name)).toHaveLength(0);
    await source.close();
  });

  it('names that mean something to JavaScript', async () => {
    const source = await open(
      rawSafetensors(
        `{"__proto__":${JSON.stringify(entry('F32', [1], 0, 4))},"constructor":${JSON.stringify(entry('F32', [1], 4, 8))}}`,
        new Uint8Array(new Float32Array([1, 2]).buffer),
      ),
    );
    expect(source.names()).toEqual(['__proto__', 'constructor']);
    expect([...(await source.readFloat32('constructor'))]).toEqual([2]);
    expect(source.has('toString')).toBe(false);
    await source.close();
  });
});
