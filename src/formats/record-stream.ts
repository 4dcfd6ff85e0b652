/**
 * Records of large data sets, one after the other: JSONL, JSON, CSV, Parquet or plain text, from a file or a pipe. A
 * record that cannot be read is reported and passed over; nothing is kept.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type CsvError, parse } from 'csv-parse';
import { parse as parseAtOnce } from 'csv-parse/sync';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';
import { describeJson, isRecord, parseData, parseJsonObject } from './json-file.js';
import { readJsonRows } from './json-rows.js';
import { refusePointer } from './lfs-pointer.js';
import { checkParquet, readParquetRows } from './parquet-file.js';
import type { RecordFormat } from './record-format.js';

export interface StreamRecord {
  /** Line in the file, or row of a Parquet file, from 1. */
  line: number;
  /** Where the line begins, in bytes; null where that is not known (CSV, Parquet). */
  offset: number | null;
  /** By column; a line of plain text is `{ text }`. Null where the record is malformed. */
  fields: Record<string, unknown> | null;
  /** What is wrong with it, where `fields` is null. */
  fault?: string;
  /** Its length in the source, roughly. */
  bytes: number;
  /** Whether all cells are strings, so that lists in them must be parsed (CSV). */
  untyped: boolean;
}

export interface RecordSource {
  /** A path, or `-` for the standard input. */
  path: string;
  format: RecordFormat;
}

/** Called with the number of bytes that were read since the last call. */
type OnBytes = (bytes: number) => void;

/** The byte order mark. */
const BOM = Buffer.from('\u{feff}');

const NO_TEXT = 'not valid UTF-8';

/** The longest line that is still read as a record: far beyond any prompt, short of filling the memory. */
const MAX_LINE_BYTES = 2 ** 26;

/**
 * Finds early what would end the reading at its first record.
 * @throws InputError if the source is Parquet and damaged, or no file
 */
export async function checkSource({ path, format }: RecordSource): Promise<void> {
  if (format !== 'parquet') return;
  if (path === '-')
    throw new InputError('Parquet cannot be read from a pipe: its index is at the end; name a file');
  await checkParquet(path);
}

/**
 * Streams records; empty lines are passed over.
 * @throws InputError if the source cannot be read at all: missing, not Parquet, a header with two equal columns
 */
export async function* readRecords(
  { path, format }: RecordSource,
  onBytes: OnBytes = () => {},
  input: Readable = process.stdin,
): AsyncGenerator<StreamRecord> {
  try {
    if (format === 'parquet') {
      await checkSource({ path, format });
      yield* readParquet(path, onBytes);
      return;
    }
    if (format === 'json') {
      if (path === '-') throw new InputError('JSON is read from a pipe one object a line (--format jsonl)');
      yield* readJson(path, onBytes);
      return;
    }
    const stream = path === '-' ? input : createReadStream(path);
    yield* format === 'csv' ? readCsv(stream, path, onBytes) : readLines(stream, path, format, onBytes);
  } catch (error) {
    throw fileError(error, path);
  }
}

async function* readLines(
  stream: Readable,
  path: string,
  format: 'jsonl' | 'text',
  onBytes: OnBytes,
): AsyncGenerator<StreamRecord> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [line, offset] = [0, 0];
  for await (const bytes of splitLines(stream, path, onBytes)) {
    line++;
    const place = { line, offset, bytes: bytes.length + 1, untyped: false };
    offset += bytes.length + 1;
    if (bytes.length > MAX_LINE_BYTES) {
      yield {
        ...place,
        fields: null,
        fault: `a line of ${bytes.length} bytes; at most ${MAX_LINE_BYTES} are read`,
      };
      continue;
    }
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      yield { ...place, fields: null, fault: NO_TEXT };
      continue;
    }
    if (line === 1) refusePointer(text, path);
    if (text.endsWith('\r')) text = text.slice(0, -1);
    if (text.trim() === '') continue;
    if (format === 'text') {
      yield { ...place, fields: { text } };
      continue;
    }
    try {
      yield { ...place, fields: parseJsonObject(text, '', parseData) };
    } catch (error) {
      const fault = (error as Error).message.replace(/^: /, '');
      const list = line === 1 && text.trimStart().startsWith('[');
      yield {
        ...place,
        fields: null,
        fault: list ? `${fault}; a list in one value goes by the name of .json` : fault,
      };
    }
  }
}

/** What spreadsheets and PowerShell write unless told otherwise. */
function refuseUtf16(beginning: Uint8Array, path: string): void {
  const [first, second] = beginning;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    throw new InputError(`${path}: is UTF-16; save it as UTF-8`);
}

/** Lines without their line feeds. */
async function* splitLines(stream: Readable, path: string, onBytes: OnBytes): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = [];
  let first = true;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    onBytes(chunk.length);
    if (first) refuseUtf16(chunk, path);
    first = false;
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const tail = chunk.subarray(from, end);
      yield rest.length === 0 ? tail : Buffer.concat([...rest, tail]);
      rest = [];
      from = end + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

/** Texts of UTF-8 bytes, given as a character each; null if any is none. */
function decoded(cells: readonly string[]): string[] | null {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return cells.map((cell) => decoder.decode(Buffer.from(cell, 'latin1')));
  } catch {
    return null;
  }
}

/** Characters that stand between cells, the usual one first. */
const DELIMITERS = [',', ';', '\t'];

/** The one that the line of column names has most of, outside of quotes. */
function delimiterOf(header: string): string {
  const plain = header.replace(/"[^"]*"/g, '');
  const count = (delimiter: string) => plain.split(delimiter).length;
  return DELIMITERS.reduce((best, each) => (count(each) > count(best) ? each : best));
}

/** Bytes among which the line of column names is looked for. */
const HEADER_BYTES = 2 ** 16;

async function* readCsv(stream: Readable, path: string, onBytes: OnBytes): AsyncGenerator<StreamRecord> {
  const chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const next = async (): Promise<Buffer | null> => {
    const { done, value } = await chunks.next();
    if (done) return null;
    onBytes(value.length);
    return value;
  };
  let head: Buffer = Buffer.alloc(0);
  let end = false;
  while (!end && head.length < HEADER_BYTES && !head.includes(10)) {
    const chunk = await next();
    end = chunk === null;
    if (chunk) head = Buffer.concat([head, chunk]);
  }
  refuseUtf16(head, path);
  if (head.subarray(0, BOM.length).equals(BOM)) head = head.subarray(BOM.length);
  const [header = ''] = head.toString('latin1').split(/[\r\n]/, 1);
  refusePointer(header, path);
  yield* parseCsv(whole(head, next), delimiterOf(header), path);
}

async function* whole(head: Buffer, next: () => Promise<Buffer | null>): AsyncGenerator<Buffer> {
  yield head;
  for (let chunk = await next(); chunk !== null; chunk = await next()) yield chunk;
}

async function* parseCsv(
  chunks: AsyncIterable<Buffer>,
  delimiter: string,
  path: string,
): AsyncGenerator<StreamRecord> {
  const faults: StreamRecord[] = [];
  const parser = parse({
    // A byte a character: decoded here, cells are checked.
    encoding: 'latin1',
    delimiter,
    // A quote within a cell that does not begin with one is a character like any other, as other readers have it.
    relax_quotes: true,
    info: true,
    raw: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: MAX_LINE_BYTES,
    columns: (header: readonly string[]) => {
      const names = decoded(header);
      if (!names) throw new InputError(`${path}:1: ${NO_TEXT}`);
      const seen = new Set<string>();
      // Adding says nothing of whether it was there; the size does.
      const repeated = names.find((name, i) => seen.add(name).size <= i);
      if (repeated !== undefined) throw new InputError(`${path}:1: two columns are called "${repeated}"`);
      return names;
    },
  });
  const place = { offset: null, bytes: 0, untyped: true };
  parser.on('skip', (error: CsvError) => {
    const line = (error as unknown as { lines?: number }).lines ?? 0;
    faults.push({ ...place, line, fields: null, fault: csvFault(error) });
  });
  let before = 0;
  const input = Readable.from(chunks);
  input.on('error', (error) => parser.destroy(error));
  input.pipe(parser);
  for await (const { info, record, raw } of parser as AsyncIterable<{
    info: { lines: number; bytes: number };
    record: Record<string, string>;
    raw: string;
  }>) {
    while (faults.length > 0 && faults[0]!.line <= info.lines) yield faults.shift()!;
    const filled = Object.entries(record).filter(([, cell]) => cell.length > 0);
    const cells = decoded(filled.map(([, cell]) => cell));
    const fault = cells ? looseQuote(cells, raw, delimiter) : NO_TEXT;
    yield {
      ...place,
      line: info.lines,
      bytes: info.bytes - before,
      ...(fault === null
        ? { fields: Object.fromEntries(filled.map(([name], i) => [name, cells![i]!])) }
        : { fields: null, fault }),
    };
    before = info.bytes;
  }
  yield* faults;
}

/** What is wrong with a row of which a cell begins with a quote: one that ends before the cell does means nothing. */
function looseQuote(cells: readonly string[], raw: string, delimiter: string): string | null {
  if (!cells.some((cell) => cell.startsWith('"'))) return null;
  try {
    parseAtOnce(raw, { delimiter });
    return null;
  } catch (error) {
    return csvFault(error as CsvError).replace(/ at line \d+/, '');
  }
}

function csvFault({ message }: CsvError): string {
  return Buffer.from(message, 'latin1').toString().replace(/\s+/g, ' ');
}

async function* readJson(path: string, onBytes: OnBytes): AsyncGenerator<StreamRecord> {
  const { size } = await stat(path);
  const rows = await readJsonRows(path);
  const bytes = size / Math.max(1, rows.length);
  for (const [at, row] of rows.entries()) {
    onBytes(bytes);
    const place = { line: at + 1, offset: null, bytes, untyped: false };
    if (isRecord(row)) yield { ...place, fields: row };
    else yield { ...place, fields: null, fault: `expected a JSON object, found ${describeJson(row)}` };
  }
}

/** A row counts as an equal share of the file. */
async function* readParquet(path: string, onBytes: OnBytes): AsyncGenerator<StreamRecord> {
  const { size } = await stat(path);
  const bytes = size / Math.max(1, await checkParquet(path));
  let line = 0;
  for await (const fields of readParquetRows(path)) {
    line++;
    onBytes(bytes);
    yield { line, offset: null, bytes, fields, untyped: false };
  }
}
