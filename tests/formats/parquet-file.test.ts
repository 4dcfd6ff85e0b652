import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import {
  type ParquetColumn,
  readParquetMetadata,
  readParquetRows,
  writeParquet,
} from '../../src/formats/parquet-file.js';
import { python } from '../support/python.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

const COLUMNS: ParquetColumn[] = [
  { name: 'name', type: 'STRING' },
  { name: 'count', type: 'INT64', unit: 'tokens' },
  { name: 'mean', type: 'DOUBLE', nullable: true, unit: 'nats' },
  { name: 'value', type: 'FLOAT' },
  { name: 'half', type: 'FLOAT16' },
  { name: 'flag', type: 'BOOLEAN' },
  { name: 'list', type: 'JSON' },
];
const GROUPS = [
  [
    ['a', 'é'],
    [1n, 2n ** 40n],
    [0.1, null],
    Float32Array.of(1.5, -2.25),
    [0.5, -1],
    [true, false],
    [[1, 'x'], []],
  ],
  [['c'], [3n], [-3e-7], Float32Array.of(0), [65504], [true], [[null]]],
];

async function all(path: string): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for await (const row of readParquetRows(path)) rows.push(row);
  return rows;
}

describe('Parquet files', () => {
  it('have null where bytes are no text', async () => {
    const path = join(folder, 'latin.parquet');
    await writeParquet(path, [{ name: 'text', type: 'STRING' }], {}, [[['good', 'fine']]]);
    const bytes = readFileSync(path);
    for (let at = bytes.indexOf('fine'); at >= 0; at = bytes.indexOf('fine')) bytes[at] = 0xff;
    writeFileSync(path, bytes);
    expect(await all(path)).toEqual([{ text: 'good' }, { text: null }]);
  });

  it('come back as they were written, with units in their metadata', async () => {
    const path = join(folder, 'table.parquet');
    await writeParquet(path, COLUMNS, { schema_version: '1' }, GROUPS);
    expect(await all(path)).toEqual([
      { name: 'a', count: 1, mean: 0.1, value: 1.5, half: 0.5, flag: true, list: [1, 'x'] },
      { name: 'é', count: 2 ** 40, mean: null, value: -2.25, half: -1, flag: false, list: [] },
      { name: 'c', count: 3, mean: -3e-7, value: 0, half: 65504, flag: true, list: [null] },
    ]);
    expect(await readParquetMetadata(path)).toMatchObject({
      schema_version: '1',
      'unit.count': 'tokens',
      'unit.mean': 'nats',
    });
  });

  it('leave nothing behind when their rows fail to come', async () => {
    const groups = (async function* () {
      yield GROUPS[0]!;
      throw new InputError('the source broke');
    })();
    await expect(writeParquet(join(folder, 'broken.parquet'), COLUMNS, {}, groups)).rejects.toThrow(
      'the source broke',
    );
    expect(readdirSync(folder).filter((name) => name.includes('broken'))).toEqual([]);
  });

  it('may have row groups of any usual size', async () => {
    const path = join(folder, 'large.parquet');
    const rows = 200_000;
    const numbers = Int32Array.from({ length: rows }, (_, i) => i);
    await writeParquet(path, [{ name: 'a', type: 'INT32' }], {}, [[numbers], [numbers.subarray(0, 3)]]);
    let [count, sum] = [0, 0];
    for await (const { a } of readParquetRows(path)) {
      count++;
      sum += a as number;
    }
    expect([count, sum]).toEqual([rows + 3, (rows * (rows - 1)) / 2 + 3]);
  });

  it('are refused, and nothing is awaited by nobody, where any of their bytes is damaged', async () => {
    const path = join(folder, 'damaged.parquet');
    await writeParquet(path, COLUMNS, {}, GROUPS);
    const whole = readFileSync(path);
    const unheard: unknown[] = [];
    const hear = (error: unknown) => unheard.push(error);
    process.on('unhandledRejection', hear);
    for (let at = 4; at < whole.length; at += 13) {
      const bytes = Buffer.from(whole);
      bytes[at] = bytes[at]! ^ 0x7f;
      writeFileSync(path, bytes);
      // Some bytes are values, and any value will do.
      await all(path).catch((error) => expect(error).toBeInstanceOf(InputError));
    }
    await new Promise((turn) => setTimeout(turn, 10));
    process.off('unhandledRejection', hear);
    expect(unheard).toEqual([]);
  });

  it('are refused where a page tells no length of its levels, in which a reader would go round and round', async () => {
    const path = join(folder, 'rounds.parquet');
    await writeParquet(path, [{ name: 'a', type: 'DOUBLE', nullable: true }], {}, [[[1, null, 3]]]);
    const whole = readFileSync(path);
    let told = '';
    for (let at = 4; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      // A number's type becomes that of a truth value: what follows is another field.
      bytes[at] = bytes[at]! ^ 0x04;
      writeFileSync(path, bytes);
      await all(path).catch((error) => {
        expect(error).toBeInstanceOf(InputError);
        told += error.message;
      });
    }
    expect(told).toContain('a page announces undefined bytes of levels');
  });

  it('are refused where they are missing or damaged', async () => {
    const path = join(folder, 'text.parquet');
    writeFileSync(path, 'PAR1 this is not one');
    await expect(all(path)).rejects.toThrow(/text\.parquet: not a Parquet file/);
    await expect(all(join(folder, 'none.parquet'))).rejects.toThrow(/none\.parquet: no such file/);
  });

  const pandas = python('pandas, pyarrow');
  it.skipIf(!pandas)(
    `are opened by pandas${pandas ? '' : ' [skipped: no Python with pandas and pyarrow]'}`,
    async () => {
      const path = join(folder, 'pandas.parquet');
      await writeParquet(path, COLUMNS, { schema_version: '1' }, GROUPS);
      const script = [
        'import pandas, pyarrow.parquet, json, sys',
        'table = pandas.read_parquet(sys.argv[1])',
        'meta = pyarrow.parquet.read_schema(sys.argv[1]).metadata',
        'print(json.dumps([table["name"].tolist(), table["count"].tolist(), table["value"].tolist(), table["half"].astype(float).tolist(), meta[b"unit.mean"].decode()]))',
      ].join('\n');
      const found = JSON.parse(execFileSync(pandas!, ['-c', script, path], { encoding: 'utf8' }));
      expect(found).toEqual([['a', 'é', 'c'], [1, 2 ** 40, 3], [1.5, -2.25, 0], [0.5, -1, 65504], 'nats']);
    },
  );

  const duckdb = python('duckdb');
  it.skipIf(!duckdb)(`are opened by DuckDB${duckdb ? '' : ' [skipped: no Python with duckdb]'}`, async () => {
    const path = join(folder, 'duckdb.parquet');
    await writeParquet(path, COLUMNS, {}, GROUPS);
    const script =
      'import duckdb, sys; print(duckdb.sql(f"select sum(count), max(mean), sum(value) from \'{sys.argv[1]}\'").fetchall()[0])';
    expect(execFileSync(duckdb!, ['-c', script, path], { encoding: 'utf8' }).trim()).toBe(
      `(${2 ** 40 + 4}, 0.1, -0.75)`,
    );
  });
});
