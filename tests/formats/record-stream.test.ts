import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { writeParquet } from '../../src/formats/parquet-file.js';
import { formatOf, type RecordFormat } from '../../src/formats/record-format.js';
import { readRecords, type StreamRecord } from '../../src/formats/record-stream.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

async function all(path: string, format: RecordFormat, input?: Readable): Promise<StreamRecord[]> {
  const records: StreamRecord[] = [];
  for await (const record of readRecords({ path, format }, () => {}, input)) records.push(record);
  return records;
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const brief = ({ line, offset, fields }: StreamRecord) => [line, offset, fields];

describe('readRecords', () => {
  it('reads JSONL with lines and offsets, and says which are malformed', async () => {
    const records = await all(
      file('a.jsonl', '{"text":"é"}\r\n\n{"ids":[1]}\n[1]\n{"x"\n{"text":"end"}'),
      'jsonl',
    );
    expect(records.map(brief)).toEqual([
      [1, 0, { text: 'é' }],
      [3, 16, { ids: [1] }],
      [4, 28, null],
      [5, 32, null],
      [6, 37, { text: 'end' }],
    ]);
    expect(records[2]!.fault).toBe('expected a JSON object, found a list');
    expect(records[3]!.fault).toMatch(/not valid JSON/);
  });

  it('reads text, and a pipe in pieces of any size', async () => {
    const bytes = Buffer.from('one\nzwölf Boxkämpfer\n\n  \nlast\n');
    for (let size = 1; size < bytes.length; size++) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      expect((await all('-', 'text', Readable.from(pieces))).map(brief)).toEqual([
        [1, 0, { text: 'one' }],
        [2, 4, { text: 'zwölf Boxkämpfer' }],
        [5, 27, { text: 'last' }],
      ]);
    }
  });

  it('passes over bytes that are no text', async () => {
    const records = await all(file('b.txt', Buffer.from([0x61, 0x0a, 0xff, 0xfe, 0x0a, 0x62])), 'text');
    expect(records.map(({ line, fault }) => [line, fault])).toEqual([
      [1, undefined],
      [2, 'not valid UTF-8'],
      [3, undefined],
    ]);
  });

  it('passes over cells that are no text', async () => {
    const records = await all(file('d.csv', Buffer.from('text,n\na,1\n\u00ea,2\nb,3\n', 'latin1')), 'csv');
    expect(records.map(({ line, fault }) => [line, fault])).toEqual([
      [2, undefined],
      [3, 'not valid UTF-8'],
      [4, undefined],
    ]);
  });

  it('reads CSV, passing over rows with too many cells', async () => {
    const records = await all(file('c.csv', 'text,n\n"a, ""b""\nc",1\nd,2,3\n"e",\n'), 'csv');
    expect(records.filter(({ fields }) => fields).map(({ line, fields }) => [line, fields])).toEqual([
      [3, { text: 'a, "b"\nc', n: '1' }],
      [5, { text: 'e' }],
    ]);
    expect(records.filter(({ fields }) => !fields)).toMatchObject([
      { line: 4, fault: expect.stringMatching(/columns/i) },
    ]);
  });

  it('reads Parquet row by row', async () => {
    const path = join(folder, 'd.parquet');
    const columns = [
      { name: 'text', type: 'STRING' },
      { name: 'n', type: 'INT64' },
    ] as const;
    await writeParquet(path, columns, {}, [
      [
        ['a', 'b'],
        [1n, 2n],
      ],
      [['c'], [3n]],
    ]);
    expect((await all(path, 'parquet')).map(brief)).toEqual([
      [1, null, { text: 'a', n: 1 }],
      [2, null, { text: 'b', n: 2 }],
      [3, null, { text: 'c', n: 3 }],
    ]);
  });

  it('refuses what cannot be read at all', async () => {
    await expect(all(join(folder, 'none.jsonl'), 'jsonl')).rejects.toThrow(/none\.jsonl: no such file/);
    await expect(all(file('e.csv', 'a,a\n1,2\n'), 'csv')).rejects.toThrow(/two columns are called "a"/);
    await expect(all('-', 'parquet')).rejects.toThrow(/Parquet cannot be read from a pipe/);
    expect(() => formatOf('data.bin')).toThrow(/which format/);
    expect(formatOf('x/DATA.NDJSON')).toBe('jsonl');
  });
});
