/** Parquet files in and out: the only importer of hyparquet, its compressors and hyparquet-writer. */
import type { FileHandle } from 'node:fs/promises';
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetSchema,
} from 'hyparquet';
import { parquetPlan } from 'hyparquet/src/plan.js';
import { assembleAsync, readRowGroup } from 'hyparquet/src/rowgroup.js';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { compressors } from 'hyparquet-compressors';
import {
  type BasicType,
  ByteWriter,
  type ColumnSource,
  ParquetWriter,
  schemaFromColumnData,
} from 'hyparquet-writer';
import { InputError } from '../errors.js';
import { writeAtomically } from './atomic-file.js';
import { fileError } from './file-error.js';
import { refusePointerFile } from './lfs-pointer.js';

export interface ParquetColumn {
  name: string;
  type: Extract<
    BasicType,
    'BOOLEAN' | 'INT32' | 'INT64' | 'FLOAT' | 'DOUBLE' | 'FLOAT16' | 'STRING' | 'JSON'
  >;
  /** Whether a cell may be null. */
  nullable?: boolean;
  /** Written into the file's metadata as `unit.NAME`. */
  unit?: string;
}

/** One array a column, all of the same length. */
export type ParquetGroup = readonly ColumnSource['data'][];

/**
 * Writes a file, whole or not at all; a group of columns becomes one row group.
 * @param metadata key-value metadata; units of columns are added
 * @throws InputError if the file cannot be written
 */
export async function writeParquet(
  path: string,
  columns: readonly ParquetColumn[],
  metadata: Readonly<Record<string, string>>,
  groups: Iterable<ParquetGroup> | AsyncIterable<ParquetGroup>,
): Promise<void> {
  const units = columns.flatMap(({ name, unit }) => (unit === undefined ? [] : [[`unit.${name}`, unit]]));
  const kvMetadata = [...Object.entries(metadata), ...units].map(([key, value]) => ({ key: key!, value }));
  const described = (group: ParquetGroup | null): ColumnSource[] =>
    columns.map(({ name, type, nullable = false }, i) => ({
      ...{ name, type, nullable, data: (type === 'JSON' ? spelt(group?.[i]) : group?.[i]) ?? [] },
      // Documents hardly repeat, and the least and the largest of them say nothing.
      ...(type === 'JSON' && { encoding: 'PLAIN' as const, statistics: false }),
    }));
  await writeAtomically(path, async (handle) => {
    const sink = new FileSink();
    const schema = schemaFromColumnData({ columnData: described(null) });
    const documents = schema.filter(({ converted_type }) => converted_type === 'JSON');
    // They come as bytes: the writer would copy every one before it spells it. Only the footer says what they are.
    for (const element of documents) element.converted_type = undefined;
    const writer = new ParquetWriter({ writer: sink, schema, kvMetadata, createdBy: 'orthoscope' });
    for await (const group of groups) {
      if (group[0]!.length === 0) continue;
      writer.write({ columnData: described(group), rowGroupSize: group[0]!.length });
      await sink.drain(handle);
    }
    for (const element of documents) element.converted_type = 'JSON';
    writer.finish();
    await sink.drain(handle);
  });
}

const encoder = new TextEncoder();

/** Documents as bytes. */
function spelt(documents: ColumnSource['data'] | undefined): (Uint8Array | null)[] | undefined {
  return (
    documents && Array.from(documents, (each) => (each == null ? null : encoder.encode(JSON.stringify(each))))
  );
}

/** A writer whose bytes go to a file between row groups. */
class FileSink extends ByteWriter {
  async drain(handle: FileHandle): Promise<void> {
    const bytes = this.getBytes();
    for (let from = 0; from < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, from);
      from += bytesWritten;
    }
    (this as unknown as { index: number }).index = 0;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Null for bytes that are not valid UTF-8: other text in their place would be scored as if it had been given. */
function textOf(bytes: Uint8Array | undefined): string | null | undefined {
  try {
    return bytes && utf8.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * Streams the rows of a file, a row group at a time, by column; integers of 64 bits become numbers, bytes that are no
 * text null.
 * @throws InputError if the file is missing or damaged
 */
export async function* readParquetRows(path: string): AsyncGenerator<Record<string, unknown>> {
  const opened = await openParquet(path);
  let rowStart = 0;
  for (const { num_rows } of opened.metadata.row_groups) {
    if (num_rows > MOST_ROWS)
      throw new InputError(
        `${path}: a row group of ${num_rows} rows; at most ${MOST_ROWS} are read at once: write smaller row groups`,
      );
    const rowEnd = rowStart + Number(num_rows);
    yield* rowsOf(opened, path, rowStart, rowEnd);
    rowStart = rowEnd;
  }
}

/**
 * Finds early what would end the reading: the index, and the first row of every column.
 * @returns the number of rows
 * @throws InputError if the file is missing or damaged
 */
export async function checkParquet(path: string): Promise<number> {
  const opened = await openParquet(path);
  const { row_groups: groups, num_rows: rows } = opened.metadata;
  for (const { columns } of groups)
    for (const { meta_data: column } of columns)
      if (
        column &&
        column.codec !== 'UNCOMPRESSED' &&
        column.codec !== 'SNAPPY' &&
        !compressors[column.codec]
      )
        throw new InputError(
          `${path}: column "${column.path_in_schema.join('.')}" is compressed by ${column.codec}, which is not read; write it with zstd`,
        );
  if (rows > 0) await rowsOf(opened, path, 0, 1).next();
  return Number(rows);
}

/** Key-value metadata of a file. @throws InputError if the file is missing or damaged */
export async function readParquetMetadata(path: string): Promise<Record<string, string>> {
  const { metadata } = await openParquet(path);
  return Object.fromEntries((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? '']));
}

interface Opened {
  file: AsyncBuffer;
  metadata: FileMetaData;
}

async function openParquet(path: string): Promise<Opened> {
  return reading(path, async () => {
    const file = await asyncBufferFromFile(path);
    return { file, metadata: await parquetMetadataAsync(file) };
  });
}

/** Rows of one row group, or some of them. */
async function* rowsOf(
  { file, metadata }: Opened,
  path: string,
  rowStart: number,
  rowEnd: number,
): AsyncGenerator<Record<string, unknown>> {
  const columns = await reading(path, async () => {
    const parsers = { stringFromBytes: textOf };
    // Columns are read side by side; one that fails unseen, because another did before it, would end the process. So
    // nothing is read before all are known, and every one is listened to.
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const later = {
      byteLength: file.byteLength,
      slice: (from: number, to?: number) =>
        heard(begun.then(async () => checkedPages(await file.slice(from, to)))),
    };
    const options = { file: later, metadata, rowStart, rowEnd, parsers, compressors: BOUNDED };
    const plan = parquetPlan(options);
    // Each column is a slice of its own.
    const group = plan.groups[0] && readRowGroup(options, plan, plan.groups[0]);
    begin();
    if (!group) return [];
    for (const { data } of group.asyncColumns) heard(data);
    const { asyncColumns, groupStart } = assembleAsync(group, parquetSchema(metadata), parsers);
    for (const { data } of asyncColumns) heard(data);
    return Promise.all(
      asyncColumns.map(async ({ pathInSchema, data }) => {
        const { data: pages, skipped } = await data;
        const there = pages.reduce((sum, page) => sum + page.length, groupStart + skipped);
        if (there < rowEnd) throw new Error(`column "${pathInSchema[0]}" has ${there} of ${rowEnd} rows`);
        return { name: pathInSchema[0]!, values: valuesOf(pages, rowStart - groupStart - skipped) };
      }),
    );
  });
  if (columns.length === 0) return;
  for (let row = rowStart; row < rowEnd; row++)
    yield Object.fromEntries(columns.map(({ name, values }) => [name, plain(values.next().value)]));
}

/** Values of a column's pages, without the first few. */
function* valuesOf(pages: readonly ArrayLike<unknown>[], skipped: number): Generator<unknown> {
  let left = skipped;
  for (const page of pages) {
    for (let at = Math.min(left, page.length); at < page.length; at++) yield page[at];
    left -= Math.min(left, page.length);
  }
}

/** A promise that may fail without anybody waiting for it. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Rows of a group, and values of a page, that are read at once. */
const MOST_ROWS = 2 ** 24;

/**
 * Fields of a page's header: its bytes, and under each kind of page's own header, how many values it has; of the second
 * kind of data page also the bytes of its levels.
 */
interface PageHeader {
  field_3?: number;
  field_5?: { field_1?: number };
  field_7?: { field_1?: number };
  field_8?: { field_1?: number; field_5?: number; field_6?: number };
}

/**
 * A column's pages, unless one announces more values than are read at once: the reader makes room for as many as it is
 * told. https://github.com/apache/parquet-format, PageHeader
 */
function checkedPages(buffer: ArrayBuffer): ArrayBuffer {
  const reader = { view: new DataView(buffer), offset: 0 };
  while (reader.offset < buffer.byteLength - 1) {
    const header = deserializeTCompactProtocol(reader) as PageHeader;
    const { field_3: bytes = -1, field_5: page, field_7: dictionary, field_8: second } = header;
    const values = (page ?? dictionary ?? second)?.field_1 ?? -1;
    if (!(values >= 0 && values <= MOST_ROWS)) throw new Error(`a page announces ${values} values`);
    if (!(bytes >= 0)) throw new Error(`a page announces ${bytes} bytes`);
    if (second) checkLevels(reader, values, [second.field_6, second.field_5]);
    reader.offset += bytes;
  }
  return buffer;
}

/**
 * Refuses levels of no known length, in which the reader would go round and round, and those whose runs are longer than
 * the page has values: it writes as many as a run announces.
 * @param lengths bytes of the repetition levels and of the definition levels behind them
 */
function checkLevels(
  { view, offset }: { view: DataView; offset: number },
  values: number,
  lengths: readonly [number | undefined, number | undefined],
): void {
  for (const length of lengths) {
    if (length === undefined || !(length >= 0 && offset + length <= view.byteLength))
      throw new Error(`a page announces ${length} bytes of levels`);
    const levels = new DataView(view.buffer, view.byteOffset + offset, length);
    // How wide a level is the schema says. Only the true width need fit; of others none does by chance for long.
    const fits = [1, 2, 3, 4, 5, 6, 7, 8].some((width) => runsFit(levels, width, values));
    if (length > 0 && !fits) throw new Error('the levels of a page are not those of its values');
    offset += length;
  }
}

/** Whether runs of levels of some bits come to a page's values, and to no more than the last byte has room for. */
function runsFit(levels: DataView, width: number, values: number): boolean {
  let [at, seen] = [0, 0];
  while (seen < values) {
    let [header, shift] = [0, 0];
    for (let byte = 0x80; byte & 0x80; shift += 7) {
      if (at >= levels.byteLength || shift > 28) return false;
      byte = levels.getUint8(at++);
      header += (byte & 0x7f) * 2 ** shift;
    }
    const count = header % 2 === 1 ? 8 * ((header - 1) / 2) : header / 2;
    at += header % 2 === 1 ? (count / 8) * width : 1;
    seen += count;
    if (count === 0 || at > levels.byteLength || seen > values + 7) return false;
  }
  return true;
}

/** A page may unfold to so many times its bytes, or this much: a damaged one announces any size. */
const MOST_UNFOLDED = 1000;
const SMALL_PAGE = 64 << 20;

const BOUNDED: Compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, unfold]) => [
    codec,
    (input: Uint8Array, size: number) => {
      if (size > Math.max(SMALL_PAGE, MOST_UNFOLDED * input.length))
        throw new Error(`a page of ${input.length} bytes announces ${size}`);
      return unfold(input, size);
    },
  ]),
);

/** Arrays and objects included: bigint becomes number, typed arrays become lists. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<unknown>, plain);
  if (value !== null && typeof value === 'object' && !(value instanceof Date))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  return value;
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = fileError(error, path);
    if (known !== error || error instanceof InputError) throw known;
    await refusePointerFile(path);
    throw new InputError(`${path}: not a Parquet file, or a damaged one (${(error as Error).message})`);
  }
}
