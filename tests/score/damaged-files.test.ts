/** Files of a scoring that others damaged, or made up, are refused in one line. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ParquetColumn, writeParquet } from '../../src/formats/parquet-file.js';
import { rankDirections, readDirections } from '../../src/score/read-tables.js';
import { NO_COUNTS, readCounts, readStateFile, writeStateFile } from '../../src/score/state-file.js';
import { NO_EXAMPLES, stateBytes } from '../../src/score/statistics-state.js';
import { DIRECTION_COLUMNS } from '../../src/score/tables.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describe('a state of statistics', () => {
  const path = join(folder, 'a.state');
  const sizes = { examples: 2, context: 3 };
  const write = (clean: number, corrupted: number) =>
    writeStateFile(path, {
      header: {
        data_set: 'a',
        identity: 'a'.repeat(64),
        shard: [1, 1],
        blocks: 0,
        complete: true,
        counters: NO_COUNTS,
        data_hash: 'b'.repeat(64),
        rejected_bytes: 0,
      },
      states: { clean: new Uint8Array(clean), corrupted: new Uint8Array(corrupted) },
    });

  it('is read where it is of as many directions as are asked for', async () => {
    await write(3 * stateBytes(sizes), 3 * stateBytes(NO_EXAMPLES));
    expect((await readStateFile(path, { directions: 3, sizes })).header.data_set).toBe('a');
  });

  it.each([
    [2 * stateBytes(sizes), 3 * stateBytes(NO_EXAMPLES), /its clean states are not those of 3 directions/],
    [3 * stateBytes(sizes), 5, /its corrupted states are not those of 3 directions/],
    [0, 0, /its clean states/],
  ])('is refused with %i and %i bytes', async (clean, corrupted, message) => {
    await write(clean, corrupted);
    await expect(readStateFile(path, { directions: 3, sizes })).rejects.toThrow(message);
  });

  it('is refused where its header is deeper than anything', async () => {
    const header = Buffer.from('['.repeat(1e5) + ']'.repeat(1e5));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(path, Buffer.concat([length, header]));
    await expect(readStateFile(path, { directions: 3, sizes })).rejects.toThrow(
      /nested more than 200 levels/,
    );
  });
});

it('counts are whole numbers', async () => {
  const path = join(folder, 'counts.json');
  writeFileSync(path, JSON.stringify({ a: NO_COUNTS }));
  expect(await readCounts(path)).toEqual({ a: NO_COUNTS });
  for (const tokens of [-1, 0.5, null, '1']) {
    writeFileSync(path, JSON.stringify({ a: { ...NO_COUNTS, tokens } }));
    await expect(readCounts(path)).rejects.toThrow(/counts\.json: a\.tokens/);
  }
});

describe('a table of directions', () => {
  const row: Record<string, unknown> = Object.fromEntries(
    DIRECTION_COLUMNS.map(({ name, type }) => [
      name,
      type === 'STRING' ? 'x' : type === 'BOOLEAN' ? true : 1,
    ]),
  );
  const write = (cells: Record<string, unknown>, columns: readonly ParquetColumn[]) =>
    writeParquet(join(folder, 'directions.parquet'), columns, {}, [
      columns.map(
        ({ name, type }) => [type === 'INT64' ? BigInt(cells[name] as number) : cells[name]] as never,
      ),
    ]);

  it('is read', async () => {
    await write(row, DIRECTION_COLUMNS);
    expect((await rankDirections(folder, null, 1))[0]!.rows).toHaveLength(1);
  });

  it.each([
    ['sigma', null, /row 1: "sigma" is null/],
    ['direction', null, /row 1: "direction" is null/],
  ])('is refused where %s is %s', async (name, value, message) => {
    const columns = DIRECTION_COLUMNS.map((column) =>
      column.name === name ? { ...column, nullable: true } : column,
    );
    await write({ ...row, [name]: value }, columns);
    await expect(readDirections(folder).next()).rejects.toThrow(message);
  });

  it('is refused where a column is missing', async () => {
    await write(
      row,
      DIRECTION_COLUMNS.filter(({ name }) => name !== 'component'),
    );
    await expect(readDirections(folder).next()).rejects.toThrow(
      /"component" is null; is it a table of scores/,
    );
  });
});
