/**
 * Records of large data sets, one after the other: JSONL, CSV, Parquet or plain text, from a file or a pipe. A
 * record that cannot be read is reported and passed over; nothing is kept.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Readable, Transform } from 'node:stream';
import { type CsvError, parse } from 'csv-parse';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';
import { parseJsonObject } from './json-file.js';
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
    const stream = path === '-' ? input : createReadStream(path);
    yield* format === 'csv' ? readCsv(stream, path, onBytes) : readLines(stream, format, onBytes);
  } catch (error) {
    throw fileError(error, path);
  }
}

async function* readLines(
  stream: Readable,
  format: 'jsonl' | 'text',
  onBytes: OnBytes,
): AsyncGenerator<StreamRecord> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [line, offset] = [0, 0];
  for await (const bytes of splitLines(stream, onBytes)) {
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
    if (text.endsWith('\r')) text = text.slice(0, -1);
    if (text.trim() === '') continue;
    if (format === 'text') {
      yield { ...place, fields: { text } };
      continue;
    }
    try {
      yield { ...place, fields: parseJsonObject(text, '') };
    } catch (error) {
      yield { ...place, fields: null, fault: (error as Error).message.replace(/^: /, '') };
    }
  }
}

/** Lines without their line feeds. */
async function* splitLines(stream: Readable, onBytes: OnBytes): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    onBytes(chunk.length);
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

/** Texts of UTF-8 bytes; null if any is none. */
function decoded(cells: readonly Uint8Array[]): string[] | null {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    return cells.map((cell) => decoder.decode(cell));
  } catch {
    return null;
  }
}

async function* readCsv(stream: Readable, path: string, onBytes: OnBytes): AsyncGenerator<StreamRecord> {
  const faults: StreamRecord[] = [];
  let first = true;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes(chunk.length);
      // The parser would take it for a wish to have all cells decoded.
      const marked = first && chunk.subarray(0, BOM.length).equals(BOM);
      first = false;
      done(null, marked ? chunk.subarray(BOM.length) : chunk);
    },
  });
  const parser = parse({
    // Cells stay bytes: decoded here, they are checked.
    encoding: null,
    info: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: MAX_LINE_BYTES,
    columns: (header: readonly unknown[]) => {
      const names = decoded(header as Buffer[]);
      if (!names) throw new InputError(`${path}:1: ${NO_TEXT}`);
      const repeated = names.find((name, i) => names.indexOf(name) !== i);
      if (repeated !== undefined) throw new InputError(`${path}:1: two columns are called "${repeated}"`);
      return names;
    },
  });
  parser.on('skip', (error: CsvError) => {
    const line = (error as unknown as { lines?: number }).lines ?? 0;
    faults.push({
      line,
      offset: null,
      bytes: 0,
      fields: null,
      fault: error.message.replace(/\s+/g, ' '),
      untyped: true,
    });
  });
  let before = 0;
  stream.on('error', (error) => parser.destroy(error));
  stream.pipe(counted).pipe(parser);
  for await (const { info, record } of parser as AsyncIterable<{
    info: { lines: number; bytes: number };
    record: Record<string, Buffer>;
  }>) {
    while (faults.length > 0 && faults[0]!.line <= info.lines) yield faults.shift()!;
    const filled = Object.entries(record).filter(([, cell]) => cell.length > 0);
    const cells = decoded(filled.map(([, cell]) => cell));
    yield {
      line: info.lines,
      offset: null,
      bytes: info.bytes - before,
      ...(cells
        ? { fields: Object.fromEntries(filled.map(([name], i) => [name, cells[i]!])) }
        : { fields: null, fault: NO_TEXT }),
      untyped: true,
    };
    before = info.bytes;
  }
  yield* faults;
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
