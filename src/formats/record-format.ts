/** Formats that records are read in; which one, a file's name says. */
import { extname } from 'node:path';
import { InputError } from '../errors.js';

export const RECORD_FORMATS = ['jsonl', 'json', 'csv', 'parquet', 'text'] as const;
export type RecordFormat = (typeof RECORD_FORMATS)[number];

const EXTENSIONS: Record<string, RecordFormat> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'csv',
  '.parquet': 'parquet',
  '.txt': 'text',
};

export function hasFormat(path: string): boolean {
  return Object.hasOwn(EXTENSIONS, extname(path).toLowerCase());
}

/**
 * @param otherwise what else can be done where the name does not say it
 * @throws InputError if it does not
 */
export function formatOf(path: string, otherwise = ''): RecordFormat {
  if (path === '-') return 'jsonl';
  const format = EXTENSIONS[extname(path).toLowerCase()];
  if (/\.(gz|zst|bz2|xz|zip|7z|tar|tgz)$/i.test(path))
    throw new InputError(`${path}: is compressed; unpack it first`);
  if (!format)
    throw new InputError(
      `${path}: which format? The name must end in one of ${Object.keys(EXTENSIONS).join(', ')}${otherwise}`,
    );
  return format;
}
