/** Formats that records are read in; which one, a file's name says. */
import { extname } from 'node:path';
import { InputError } from '../errors.js';

export const RECORD_FORMATS = ['jsonl', 'csv', 'parquet', 'text'] as const;
export type RecordFormat = (typeof RECORD_FORMATS)[number];

const EXTENSIONS: Record<string, RecordFormat> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.parquet': 'parquet',
  '.txt': 'text',
};

/** @throws InputError if the name does not say which format it is */
export function formatOf(path: string): RecordFormat {
  if (path === '-') return 'jsonl';
  const format = EXTENSIONS[extname(path).toLowerCase()];
  if (!format)
    throw new InputError(
      `${path}: which format? The name must end in one of ${Object.keys(EXTENSIONS).join(', ')}, or give --format`,
    );
  return format;
}
