/** Makes folders. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';

/**
 * Makes a folder and those that it lies in, unless they are there. Not by Node's own recursion: where a file system
 * takes no folders, as `/proc` does, that never comes back.
 * @throws InputError if it cannot be made
 */
export async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return;
  const above = dirname(path);
  if (above !== path) await makeFolder(above);
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError(`${path}: no folder can be made there`);
    // Another process may have made it just now.
    if (code === 'EEXIST' && (await isFolder(path))) return;
    throw fileError(error, path);
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
