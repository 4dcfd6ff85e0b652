/** Writes files whole or not at all: a temporary name in the same folder, fsync, rename. */
import { randomUUID } from 'node:crypto';
import { fsync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { fileError } from './file-error.js';

/** Not the handle's own `sync`, which Yarn's Plug'n'Play leaves out of the handles that it puts in place of Node's. */
const toDisk = promisify(fsync);

const TEMPORARY = /^\.[^/\\]+\.[0-9a-f-]{36}\.tmp$/;

/** A name beside a file for what is to take its place. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
}

/** Whether a file name is one that a killed process may have left behind. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/**
 * Lets `write` fill a file, then moves it to `path`, over what was there. If anything fails, `path` is as
 * it was and the temporary file is gone.
 * @throws InputError if the folder is missing or cannot be written, or the disk is full
 */
export async function writeAtomically(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await write(handle);
      await toDisk(handle.fd);
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // Should this fail as well, the first error is still the one to report.
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError(error, path);
  }
}

/** Writes UTF-8 text; see {@link writeAtomically}. */
export function writeText(path: string, text: string): Promise<void> {
  return writeAtomically(path, (handle) => handle.writeFile(text));
}

/** Writes indented JSON with a newline at the end; see {@link writeAtomically}. */
export function writeJson(path: string, value: unknown): Promise<void> {
  return writeText(path, `${JSON.stringify(value, null, 2)}\n`);
}
