import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { InputError } from '../../src/errors.js';
import { isTemporaryName, writeAtomically, writeJson, writeText } from '../../src/formats/atomic-file.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = join(temporaryFolder(), 'work');
const path = join(folder, 'a.txt');
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
});

it('replaces a file and leaves nothing else', async () => {
  await writeText(path, 'one');
  await writeJson(path, { two: 2 });
  expect(readFileSync(path, 'utf8')).toBe('{\n  "two": 2\n}\n');
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

it('keeps the old file until the new one is whole', async () => {
  await writeText(path, 'old');
  await writeAtomically(path, async (handle) => {
    await handle.writeFile('half of ');
    const names = readdirSync(folder);
    expect(names).toHaveLength(2);
    expect(names.filter(isTemporaryName)).toHaveLength(1);
    expect(readFileSync(path, 'utf8')).toBe('old');
    await handle.writeFile('the new');
  });
  expect(readFileSync(path, 'utf8')).toBe('half of the new');
});

it('leaves everything as it was when writing fails', async () => {
  await writeText(path, 'old');
  const failing = writeAtomically(path, async (handle) => {
    await handle.writeFile('half');
    throw new Error('power cut');
  });
  await expect(failing).rejects.toThrow('power cut');
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

it('lets two writers of one file come one after the other', async () => {
  await Promise.all(Array.from({ length: 20 }, (_, i) => writeText(path, `${i}`.repeat(1000))));
  expect(readFileSync(path, 'utf8')).toMatch(/^(\d|\d\d)\1{999}$/);
  expect(readdirSync(folder)).toEqual(['a.txt']);
});

it('says what stands in the way', async () => {
  await expect(writeText(join(folder, 'none', 'b'), '')).rejects.toThrow(/none.b: no such file or folder/);
  writeFileSync(path, '');
  await expect(writeText(join(path, 'b'), '')).rejects.toBeInstanceOf(InputError);
  mkdirSync(join(folder, 'sub'));
  await expect(writeText(join(folder, 'sub'), '')).rejects.toThrow(/sub: is a folder/);
  expect(readdirSync(folder).filter(isTemporaryName)).toEqual([]);
});

it('knows its own temporary names from others', () => {
  expect(isTemporaryName('.a.tmp')).toBe(false);
  expect(isTemporaryName('notes.tmp')).toBe(false);
});

it("does without the handle's own sync, which Yarn's Plug'n'Play has not", async () => {
  const handle = await open(folder);
  const sync = vi
    .spyOn(Object.getPrototypeOf(handle), 'sync')
    .mockRejectedValue(new Error('not implemented'));
  await handle.close();
  await writeText(path, 'one');
  sync.mockRestore();
  expect(readFileSync(path, 'utf8')).toBe('one');
});
