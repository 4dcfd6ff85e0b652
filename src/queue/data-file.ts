/** Files that jobs need: known by their content, wherever they lie. */
import { basename, join } from 'node:path';
import { z } from 'zod';
import { hashFile, sha256 } from '../formats/file-hash.js';

/** The name is for the reader and a part of no other path. */
export const dataFile = z.strictObject({
  name: z.string().regex(/^[\w-][\w.-]{0,99}$/, 'is no plain file name'),
  hash: sha256,
});
export type DataFile = z.infer<typeof dataFile>;

/** Its place in a sweep folder or worker's root, relative to it. */
export const dataPath = ({ hash, name }: DataFile): string => join('data', `${hash.slice(0, 16)}-${name}`);

/** @throws InputError if it cannot be read */
export async function dataFileAt(path: string): Promise<DataFile> {
  // Its ending says how it is read; of the rest, what is safe in any file system.
  const name = basename(path)
    .replace(/[^\w.-]/g, '_')
    .replace(/^\./, '_')
    .slice(-100);
  return { name, hash: await hashFile(path) };
}
