/** Files that jobs need: known by their content, wherever they lie. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { fileError } from '../formats/file-error.js';

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex');

/** The name is for the reader and a part of no other path. */
export const dataFile = z.strictObject({
  name: z.string().regex(/^[\w-][\w.-]{0,99}$/, 'is no plain file name'),
  hash: sha256,
});
export type DataFile = z.infer<typeof dataFile>;

/** Its place in a sweep folder or worker's root, relative to it. */
export const dataPath = ({ hash, name }: DataFile): string => join('data', `${hash.slice(0, 16)}-${name}`);

/** @throws InputError if it cannot be read */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (error) {
    throw fileError(error, path);
  }
  return hash.digest('hex');
}

/** @throws InputError if it cannot be read */
export async function dataFileAt(path: string): Promise<DataFile> {
  // Its ending says how it is read; of the rest, what is safe in any file system.
  const name = basename(path)
    .replace(/[^\w.-]/g, '_')
    .replace(/^\./, '_')
    .slice(-100);
  return { name, hash: await hashFile(path) };
}
