/** Files as data sets are named: those with "=" in their names, folders, patterns. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { filesOf, namedFile, usualName } from '../../src/formats/data-files.js';
import { dataSetsOf, readBlocks, sourceOf } from '../../src/score/data-sets.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const place = (path: string) => join(folder, path);

for (const [path, lines] of Object.entries({
  'seed=3.jsonl': 1,
  '3.jsonl': 2,
  'split=train/0.jsonl': 1,
  'split=train/1.jsonl': 2,
  'split=train/_SUCCESS.txt': 1,
  'split=train/.hidden.jsonl': 1,
  'split=test/0.csv': 1,
  'train-00000-of-00002.jsonl': 2,
  'train-00001-of-00002.jsonl': 3,
})) {
  mkdirSync(dirname(place(path)), { recursive: true });
  writeFileSync(place(path), '{"ids":[1]}\n'.repeat(lines));
}

it('takes what exists as it stands for that file', () => {
  expect(namedFile(place('seed=3.jsonl'))).toEqual({ name: null, path: place('seed=3.jsonl') });
  expect(namedFile('seed=3.jsonl')).toEqual({ name: 'seed', path: '3.jsonl' });
  expect(namedFile(`x=${place('seed=3.jsonl')}`)).toEqual({ name: 'x', path: place('seed=3.jsonl') });
  expect(namedFile('-')).toEqual({ name: null, path: '-' });
});

it.each([
  ['a/b c.jsonl', 'b-c'],
  ['seed=3.jsonl', 'seed-3'],
  ['a/train-*.parquet', 'train'],
  ['a/*.parquet', 'a'],
  ['a/b/**/*', 'b'],
  ['-', 'stdin'],
  ['a/split=train/', 'split-train'],
])('calls %s %s', (path, name) => {
  expect(usualName(path)).toBe(name);
});

it('finds the files of a folder and of a pattern', async () => {
  const names = async (path: string) => (await filesOf(place(path))).map((file) => relative(folder, file));
  expect(await names('split=train')).toEqual(['split=train/0.jsonl', 'split=train/1.jsonl']);
  expect(await names('train-*.jsonl')).toEqual(['train-00000-of-00002.jsonl', 'train-00001-of-00002.jsonl']);
  expect(await names('split=*/*.{csv,jsonl}')).toEqual([
    'split=test/0.csv',
    'split=train/0.jsonl',
    'split=train/1.jsonl',
  ]);
  expect(await filesOf('-')).toEqual(['-']);
  await expect(filesOf(place('none.jsonl'))).rejects.toThrow(/none\.jsonl: no such file or folder/);
  await expect(filesOf(place('none-*'))).rejects.toThrow(/none-\*: no file matches/);
  // From the root of the disk, all of which such a pattern would have been looked for in.
  await expect(filesOf('/{a<script>alert(11)</script>b}*.jsonl')).rejects.toThrow(
    /"\/" inside braces is not read; give a pattern for each/,
  );
  await expect(filesOf(place('a\0*/b'))).rejects.toThrow(InputError);
  await expect(filesOf(`{a}${'*'.repeat(250)}/`.repeat(400))).rejects.toThrow(InputError);
  mkdirSync(place('empty'));
  await expect(filesOf(place('empty'))).rejects.toThrow(/a folder without a table/);
});

it('reads a data set in several files as one, its lines counted on', async () => {
  const shape = async (...items: string[]) =>
    (await dataSetsOf(items, null)).map((set) => [set.name, set.files.length, sourceOf(set)]);
  const [one, two] = ['0', '1'].map((n) => place(`train-0000${n}-of-00002.jsonl`));
  const both = ['train', 2, 'train-00000-of-00002.jsonl and 1 more'];
  expect(await shape(place('train-*.jsonl'))).toEqual([both]);
  expect(await shape(`train=${one}`, `train=${two}`)).toEqual([both]);
  expect(await shape(one!, two!)).toHaveLength(2);
  await expect(shape(place('3.jsonl'), place('./3.jsonl'))).rejects.toThrow(/called "3" already/);
  await expect(shape(place('split=*/*'))).rejects.toThrow(/files of several formats/);

  const [set] = await dataSetsOf([place('train-*.jsonl')], null);
  const settings = { positions: 'all', long: 'refuse', maxTokens: 9, nVocab: 9, tokenizer: null } as const;
  const lines: number[] = [];
  for await (const block of readBlocks(set!, settings, {
    shard: { index: 1, of: 1 },
    skip: 0,
    onBytes: () => {},
  }))
    lines.push(...block.clean.map(({ prompt }) => prompt));
  expect(lines).toEqual([1, 2, 3, 4, 5]);
});
