/** Reads tables row by row with line numbers; a row that cannot be read is an error. */
import { InputError } from '../errors.js';
import { formatOf } from './record-format.js';
import { readRecords } from './record-stream.js';

export interface Row {
  /**
   * Where the row stands in its file, from 1; of a CSV row with line breaks in it, the last line; of JSON and Parquet,
   * the row's number.
   */
  line: number;
  /** By column. In CSV an empty cell is left out. */
  fields: Record<string, unknown>;
  /** Whether all cells are strings, so that numbers and lists in them must be parsed (CSV). */
  untyped: boolean;
}

/**
 * Streams the rows of a table in any of the formats with columns.
 * @throws InputError naming file and line
 */
export async function* readRows(path: string): AsyncGenerator<Row> {
  const format = formatOf(path);
  if (format === 'text')
    throw new InputError(`${path}: plain text has no columns; give JSONL, JSON, CSV or Parquet`);
  for await (const { line, fields, untyped, fault } of readRecords({ path, format })) {
    if (!fields) throw new InputError(`${path}:${line}: ${fault}`);
    yield { line, fields, untyped };
  }
}
