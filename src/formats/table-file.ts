/** Reads tables, JSONL or CSV, row by row with line numbers. */
import { extname } from 'node:path';
import { InputError } from '../errors.js';
import type { RecordFormat } from './record-format.js';
import { readRecords } from './record-stream.js';

export interface Row {
  /** Where the row stands in its file, from 1; of a CSV row with line breaks in it, the last line. */
  line: number;
  /** By column. In CSV every cell is a string, and an empty one is left out. */
  fields: Record<string, unknown>;
}

const FORMATS: Record<string, RecordFormat> = { '.jsonl': 'jsonl', '.ndjson': 'jsonl', '.csv': 'csv' };

/**
 * Streams the rows of a `.jsonl` or `.ndjson` file (an object a line) or a `.csv` file (comma-separated, names of the
 * columns in the first line). Empty lines are passed over.
 * @throws InputError naming file and line
 */
export async function* readRows(path: string): AsyncGenerator<Row> {
  const format = FORMATS[extname(path).toLowerCase()];
  if (!format)
    throw new InputError(
      `${path}: which format? The name must end in one of ${Object.keys(FORMATS).join(', ')}`,
    );
  for await (const { line, fields, fault } of readRecords({ path, format })) {
    if (!fields) throw new InputError(`${path}:${line}: ${fault}`);
    yield { line, fields };
  }
}

/** Whether the table's cells are all strings, so that numbers and lists in them must be parsed. */
export function isUntyped(path: string): boolean {
  return extname(path).toLowerCase() === '.csv';
}
