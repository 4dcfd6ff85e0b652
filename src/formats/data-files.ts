/** Which files the user means by a path, a folder or a pattern, and what a data set of them is called. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { glob } from 'tinyglobby';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';
import { hasFormat } from './record-format.js';

const NAMED = /^([\w.-]+)=(.+)$/s;

/** `FILE` or `NAME=FILE`, taken apart. What exists as it stands is that file, with "=" in its name or without. */
export function namedFile(item: string): { name: string | null; path: string } {
  const [, name, path] = existsSync(item) ? [] : (NAMED.exec(item) ?? []);
  return name === undefined ? { name: null, path: item } : { name, path: path! };
}

/** What a data set is called that was given no name: as its file or folder, or what a pattern leaves of them. */
export function usualName(path: string): string {
  if (path === '-') return 'stdin';
  const plain = (text: string) => text.replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '');
  const own = plain(basename(path, extname(path)));
  return /\w/.test(own) || dirname(path) === path ? own : usualName(dirname(path));
}

/**
 * The files of a path in the order of their names: itself, all tables below it where it is a folder (but for those
 * whose names begin with a dot or an underscore, which Spark and others leave there), or those that it matches.
 * @throws InputError if there are none
 */
export async function filesOf(path: string): Promise<string[]> {
  if (path === '-') return [path];
  const found = await stat(path).catch((error) => fileError(error, path));
  if (found instanceof Error) {
    if (!/[*?{[]/.test(path)) throw found;
    // Its library cannot tell how deep such a pattern goes, and looks through every folder, from "/" all of the disk.
    if (/\{[^{}]*\//.test(path))
      throw new InputError(`${path}: a pattern with "/" inside braces is not read; give a pattern for each`);
    const matching = await glob(path, { expandDirectories: false, absolute: true }).catch((error) => {
      // The library's own word for a pattern that it cannot take, one of 65,536 characters among them.
      throw error instanceof SyntaxError
        ? new InputError(`${path.slice(0, 80)}: no pattern of files (${error.message})`)
        : fileError(error, path);
    });
    if (matching.length === 0) throw new InputError(`${path}: no file matches`);
    return matching.sort();
  }
  if (!(found as { isDirectory(): boolean }).isDirectory()) return [path];
  const below = await readdir(path, { recursive: true, encoding: 'utf8' });
  const tables = below.filter((name) => hasFormat(name) && !/(^|[/\\])[._]/.test(name));
  if (tables.length === 0) throw new InputError(`${path}: is a folder without a table in it`);
  return tables.sort().map((name) => join(path, name));
}
