import * as zlib from 'node:zlib';
import { expect, it } from 'vitest';
import { checkZstd } from '../../src/formats/parquet-codecs.js';
import { readParquetRows } from '../../src/formats/parquet-file.js';
import { Random } from '../../src/random.js';
import { goldenFile } from '../support/test-data.js';

it('refuses a page whose weights do not end, on which its reader goes round for ever', async () => {
  const read = async () => {
    for await (const _ of readParquetRows(goldenFile('damaged/zstd-weights-without-end.parquet')));
  };
  await expect(read()).rejects.toThrow(/not a Parquet file, or a damaged one/);
});

/** Node 22 has zstd, Node 20 has not. */
const compress = (zlib as { zstdCompressSync?: (data: Uint8Array) => Uint8Array }).zstdCompressSync;

it.skipIf(!compress)('takes whatever zstd itself writes (skipped where Node has no zstd)', () => {
  const random = new Random(0);
  for (let i = 0; i < 300; i++) {
    const [symbols, skew] = [2 + random.integer(254), 1 + 6 * random.uniform()];
    const data = Uint8Array.from({ length: 30 + random.integer(9000) }, () =>
      Math.floor(symbols * random.uniform() ** skew),
    );
    expect(() => checkZstd(compress!(data), data.length)).not.toThrow();
  }
});
