/** Parquet files of some hundred bytes that announce billions: none makes room for them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { checkZstd } from '../../src/formats/parquet-codecs.js';
import { readParquetRows } from '../../src/formats/parquet-file.js';
import {
  CODEC,
  ENCODING,
  type Page,
  parquetBytes,
  sized,
  TYPE,
  varints,
  withFooter,
} from '../support/parquet-bytes.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

async function read(bytes: Uint8Array): Promise<unknown[]> {
  const path = join(folder, 'a.parquet');
  writeFileSync(path, bytes);
  const rows: unknown[] = [];
  for await (const { a } of readParquetRows(path)) rows.push(a);
  return rows;
}

const HUGE = 2 ** 30;
const doubles = (...values: number[]) => Buffer.from(Float64Array.from(values).buffer);
/** A run of equal numbers below 256. */
const run = (count: number, value: number) => Buffer.concat([varints(2 * count), Buffer.of(value)]);
const dictionary: Page = { kind: 'dictionary', values: 2, encoding: ENCODING.PLAIN, bytes: doubles(5, 6) };
/** Differences of 0 in blocks of 128: the first number again and again. */
const constant = (count: number, value: number) =>
  Buffer.concat([varints(128, 4, count, 2 * value), Buffer.alloc(5 * Math.ceil((count - 1) / 128))]);
const text = (words: string) => Buffer.from(words);
const gzipped = (page: Page): Page => ({ ...page, bytes: gzipSync(page.bytes), unfolded: page.bytes.length });

describe('what pages hold is read', () => {
  const nullable: Page = {
    kind: 'data',
    values: 3,
    encoding: ENCODING.PLAIN,
    // Levels 1, 0, 1, packed into one byte.
    bytes: Buffer.concat([sized(Buffer.of(3, 0b101)), doubles(1, 3)]),
  };
  const second: Page = {
    kind: 'second',
    values: 3,
    nulls: 1,
    levels: 4,
    encoding: ENCODING.DICTIONARY,
    bytes: Buffer.concat([run(2, 1), run(1, 0), Buffer.of(1), run(2, 1)]),
  };
  const same: Page = {
    kind: 'data',
    values: 3,
    encoding: ENCODING.DELTA_BYTES,
    // Each begins with the first of the letters of the one before, and goes on with one of its own.
    bytes: Buffer.concat([varints(128, 4, 3, 0, 2), Buffer.alloc(4), constant(3, 1), text('abc')]),
  };

  it.each<[string, Parameters<typeof parquetBytes>[0], unknown[]]>([
    ['levels', { type: TYPE.DOUBLE, optional: true, rows: 3, pages: [nullable] }, [1, null, 3]],
    [
      'the same compressed',
      { type: TYPE.DOUBLE, optional: true, rows: 3, codec: CODEC.GZIP, pages: [gzipped(nullable)] },
      [1, null, 3],
    ],
    [
      'a dictionary and the second kind of page',
      { type: TYPE.DOUBLE, optional: true, rows: 3, pages: [dictionary, second] },
      [6, 6, null],
    ],
    [
      'texts that share their beginnings',
      { type: TYPE.BYTE_ARRAY, rows: 3, pages: [same], converted: 0 },
      ['a', 'ab', 'abc'],
    ],
    [
      'brotli',
      {
        type: TYPE.DOUBLE,
        rows: 2,
        codec: CODEC.BROTLI,
        pages: [
          { kind: 'data', values: 2, encoding: 0, bytes: brotliCompressSync(doubles(1, 2)), unfolded: 16 },
        ],
      },
      [1, 2],
    ],
  ])('%s', async (_, file, rows) => {
    expect(await read(parquetBytes(file))).toEqual(rows);
  });
});

describe('what pages do not hold is refused', () => {
  const data = (bytes: Uint8Array, encoding = ENCODING.PLAIN, values = 3): Page => ({
    kind: 'data',
    values,
    encoding,
    bytes,
  });
  const levels = data(Buffer.concat([sized(run(HUGE, 1)), doubles(1, 2, 3)]));
  const places = data(Buffer.concat([Buffer.of(1), run(HUGE, 1)]), ENCODING.DICTIONARY);
  const many = 2 ** 20;
  const copies = data(
    Buffer.concat([constant(many, 2 ** 20), constant(many, 0)]),
    ENCODING.DELTA_BYTES,
    many,
  );
  const parts = data(Buffer.concat([varints(HUGE, HUGE, 3, 0), Buffer.alloc(20)]), ENCODING.DELTA_BINARY);
  const second = (page: Partial<Page>): Page => ({
    kind: 'second',
    values: 3,
    encoding: ENCODING.PLAIN,
    bytes: doubles(1, 2, 3),
    ...page,
  });
  const deep = text(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
  const nested = Array.from({ length: 1000 }, (_, i) => ({ field_3: 1, field_4: `${i}`, field_5: 1 }));

  it.each<[string, Parameters<typeof parquetBytes>[0], RegExp]>([
    [
      'a run of levels',
      { type: TYPE.DOUBLE, optional: true, rows: 3, pages: [levels] },
      /a run of 1073741824/,
    ],
    [
      'the same compressed',
      { type: TYPE.DOUBLE, optional: true, rows: 3, codec: CODEC.GZIP, pages: [gzipped(levels)] },
      /a run of 1073741824/,
    ],
    ['a run of places', { type: TYPE.DOUBLE, rows: 3, pages: [dictionary, places] }, /a run of 1073741824/],
    [
      'packed places of no bits',
      {
        type: TYPE.DOUBLE,
        rows: 3,
        pages: [
          dictionary,
          second({
            encoding: ENCODING.DICTIONARY,
            bytes: Buffer.concat([Buffer.of(0), varints(2 ** 31 + 1)]),
          }),
        ],
      },
      /packed values/,
    ],
    [
      'texts that are copied again and again',
      { type: TYPE.BYTE_ARRAY, rows: many, codec: CODEC.GZIP, pages: [gzipped(copies)], converted: 0 },
      /shares 1048576 bytes with one of 0/,
    ],
    ['differences in parts', { type: TYPE.INT64, rows: 3, pages: [parts] }, /in 1073741824 parts/],
    ['fewer nulls than none', { type: TYPE.INT64, rows: 3, pages: [second({ nulls: -HUGE })] }, /nulls/],
    ['values without bytes', { type: TYPE.DOUBLE, rows: 3, pages: [data(doubles(), 0, 2 ** 24)] }, /0 bytes/],
    [
      'JSON in JSON',
      { type: TYPE.BYTE_ARRAY, rows: 1, pages: [data(sized(deep), 0, 1)], converted: 19 },
      /nested more than 200 levels/,
    ],
    [
      'records in records',
      {
        type: TYPE.DOUBLE,
        rows: 3,
        pages: [data(doubles(1, 2, 3))],
        schema: [
          { field_4: 'root', field_5: 1 },
          ...nested,
          { field_1: TYPE.DOUBLE, field_3: 0, field_4: 'a' },
        ],
      },
      /nested more than 200 levels/,
    ],
    [
      'a thousand pages of as many nulls as one may hold',
      {
        type: TYPE.DOUBLE,
        optional: true,
        rows: 3,
        pages: new Array(1000).fill(data(sized(run(2 ** 24, 0)), 0, 2 ** 24)),
      },
      /a row group of more than/,
    ],
  ])('%s', async (_, file, message) => {
    const bytes = parquetBytes(file);
    expect(bytes.length).toBeLessThan(200_000);
    const before = process.memoryUsage();
    const error = await read(bytes).then(
      () => expect.fail('accepted'),
      (caught: Error) => caught,
    );
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(message);
    const { heapTotal, arrayBuffers } = process.memoryUsage();
    expect(heapTotal - before.heapTotal + arrayBuffers - before.arrayBuffers).toBeLessThan(200e6);
  });

  it('lists in an index that have more items than bytes', async () => {
    const list = Buffer.concat([Buffer.of(0x19, 0xf9), varints(2 ** 24)]);
    // Each the first item of the one before: the reader would make room for all of them.
    const index = Buffer.concat(new Array(40).fill(list));
    await expect(read(withFooter(Buffer.alloc(8), index))).rejects.toThrow(/a list of 16777216 in \d+ bytes/);
  });

  it('frames of zstd', () => {
    const magic = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
    const frame = (...rest: number[]) => Buffer.concat([magic, Buffer.of(...rest)]);
    // One block of a repeated byte, 100 times, behind a header that says so: it is read.
    const header = (1 | (1 << 1) | (100 << 3)) >>> 0;
    const right = [0x20, 100, header & 255, header >> 8, header >> 16, 7];
    expect(() => checkZstd(frame(...right), 100)).not.toThrow();
    expect(() => checkZstd(frame(...right), 99)).toThrow(/holds one of 100/);
    // A window of gigabytes, and blocks that repeat a byte without end.
    expect(() => checkZstd(frame(0, 0xff, 1, 0, 0), 100)).toThrow(/looks back/);
    const block = (2 | ((2 ** 21 - 1) << 3)) >>> 0;
    const repeated = [block & 255, (block >> 8) & 255, block >>> 16, 7];
    expect(() => checkZstd(frame(0, 0, ...new Array(50).fill(repeated).flat()), 1000)).toThrow(
      /may unfold to/,
    );
  });
});
