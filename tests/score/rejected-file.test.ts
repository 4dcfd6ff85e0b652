import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { joinRejected, RejectedFile } from '../../src/score/rejected-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const record = (data_set: string, line: number) => ({ data_set, line, offset: null, reason: 'none' });

it('drops what a killed run wrote behind its checkpoint', async () => {
  const path = join(folder, 'rejected.jsonl');
  const first = await RejectedFile.open(path, 0);
  first.add([record('a', 1)]);
  const length = await first.flush();
  first.add([record('a', 2)]);
  await first.flush();
  const resumed = await RejectedFile.open(path, length);
  resumed.add([record('a', 2), record('a', 3)]);
  await resumed.flush();
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).line)).toEqual([1, 2, 3]);
  writeFileSync(path, '');
  await expect(RejectedFile.open(path, length)).rejects.toThrow(/is shorter than it was/);
});

it('is joined in the order of one run', async () => {
  const paths = ['one', 'two'].map((name) => join(folder, name));
  const text = (...records: ReturnType<typeof record>[]) =>
    records.map((one) => `${JSON.stringify(one)}\n`).join('');
  writeFileSync(paths[0]!, text(record('b', 9), record('a', 700)));
  writeFileSync(paths[1]!, text(record('b', 2), record('a', 3)));
  const joined = await joinRejected([...paths, join(folder, 'missing')], ['b', 'a']);
  expect(joined).toBe(text(record('b', 2), record('b', 9), record('a', 3), record('a', 700)));
});

it.skipIf(!existsSync('/dev/full'))('says when the disk is full', async () => {
  const path = join(folder, 'full.jsonl');
  symlinkSync('/dev/full', path);
  const file = await RejectedFile.open(path, 0);
  file.add([record('a', 1)]);
  await expect(file.flush()).rejects.toThrow(/full\.jsonl: no space left on the disk/);
});
