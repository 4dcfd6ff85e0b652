import { existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { makeFolder } from '../../src/formats/make-folder.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describe('makeFolder', () => {
  it('makes all that is missing, and minds neither what is there nor another that makes the same', async () => {
    const deep = join(folder, 'a', 'b', 'c');
    await Promise.all([makeFolder(deep), makeFolder(deep), makeFolder(join(folder, 'a', 'd'))]);
    await makeFolder(deep);
    await makeFolder(relative(process.cwd(), join(folder, 'e', 'f')));
    for (const path of [deep, join(folder, 'a', 'd'), join(folder, 'e', 'f')])
      expect(statSync(path).isDirectory()).toBe(true);
  });

  it('goes through links to folders', async () => {
    await makeFolder(join(folder, 'real'));
    symlinkSync(join(folder, 'real'), join(folder, 'link'));
    await makeFolder(join(folder, 'link', 'g'));
    expect(existsSync(join(folder, 'real', 'g'))).toBe(true);
  });

  it('refuses what is a file, or lies in one', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await expect(makeFolder(file)).rejects.toThrow(new InputError(`${file}: is a file, not a folder`));
    await expect(makeFolder(join(file, 'x', 'y'))).rejects.toThrow(`${file}: is a file, not a folder`);
  });

  it.runIf(existsSync('/proc/self'))('gives up where no folder can be made', async () => {
    await expect(makeFolder('/proc/orthoscope/run')).rejects.toThrow(
      '/proc/orthoscope: no folder can be made there',
    );
  });
});
