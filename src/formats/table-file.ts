/** Reads tables, JSONL or CSV, row by row with line numbers: the only importer of csv-parse. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { pipeline } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';
import { parseJsonObject } from './json-file.js';

export interface Row {
  /** Where the row stands in its file, from 1; of a CSV row with line breaks in it, the last line. */
  line: number;
  /** By column. In CSV every cell is a string, and an empty one is left out. */
  fields: Record<string, unknown>;
}

/**
 * Streams the rows of a `.jsonl` or `.ndjson` file (an object a line) or a `.csv` file (comma-separated, names of the
 * columns in the first line). Empty lines are passed over.
 * @throws InputError naming file and line
 */
export async function* readRows(path: string): AsyncGenerator<Row> {
  const reader = READERS[extname(path).toLowerCase()];
  if (!reader)
    throw new InputError(
      `${path}: which format? The name must end in one of ${Object.keys(READERS).join(', ')}`,
    );
  try {
    yield* reader(path);
  } catch (error) {
    throw fileError(error, path);
  }
}

/** Whether the table's cells are all strings, so that numbers and lists in them must be parsed. */
export function isUntyped(path: string): boolean {
  return extname(path).toLowerCase() === '.csv';
}

const READERS: Record<string, (path: string) => AsyncGenerator<Row>> = {
  '.jsonl': readJsonLines,
  '.ndjson': readJsonLines,
  '.csv': readCsv,
};

async function* readJsonLines(path: string): AsyncGenerator<Row> {
  const file = await open(path);
  try {
    let line = 0;
    for await (const text of file.readLines()) {
      line++;
      if (text.trim() !== '') yield { line, fields: parseJsonObject(text, `${path}:${line}`) };
    }
  } finally {
    await file.close();
  }
}

async function* readCsv(path: string): AsyncGenerator<Row> {
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    columns: (names: string[]) => checkColumns(names, path),
  });
  // Each stream takes the other down with it; what went wrong comes out of the loop.
  const records = pipeline(createReadStream(path), parser, () => {}) as AsyncIterable<CsvRow>;
  try {
    for await (const { info, record } of records) {
      const cells = Object.entries(record).filter(([, cell]) => cell !== '');
      yield { line: info.lines, fields: Object.fromEntries(cells) };
    }
  } catch (error) {
    if (error instanceof CsvError) throw new InputError(`${path}: ${error.message.replace(/\s+/g, ' ')}`);
    throw error;
  }
}

interface CsvRow {
  info: { lines: number };
  record: Record<string, string>;
}

function checkColumns(names: string[], path: string): string[] {
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) throw new InputError(`${path}:1: two columns are called "${repeated}"`);
  return names;
}
