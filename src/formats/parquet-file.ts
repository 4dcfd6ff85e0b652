/** Parquet files in and out. What a file announces is held to what it holds in parquet-pages.ts. */
import type { FileHandle } from 'node:fs/promises';
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetSchema,
} from 'hyparquet';
import { parquetPlan } from 'hyparquet/src/plan.js';
import { assembleAsync, readRowGroup } from 'hyparquet/src/rowgroup.js';
import { getTreePath } from 'hyparquet/src/schema.js';
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
import { parseJson } from './json-file.js';
import { refusePointerFile } from './lfs-pointer.js';
import { BOUNDED } from './parquet-codecs.js';
import { checkSchema, MOST_ROWS, PageCheck } from './parquet-pages.js';
import { checkStruct } from './parquet-thrift.js';
import { snappyCompress } from './snappy.js';

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
  /** Whether the cells of a JSON column are given as texts, written already. */
  spelt?: boolean;
}

/** One array a column, all of the same length. */
export type ParquetGroup = readonly ColumnSource['data'][];

/**
 * Writes a file, whole or not at all; a group of columns becomes one row group.
 * @param metadata key-value metadata; units of columns are added
 * @throws InputError if the file cannot be written
 */
export function writeParquet(
  path: string,
  columns: readonly ParquetColumn[],
  metadata: Readonly<Record<string, string>>,
  groups: Iterable<ParquetGroup> | AsyncIterable<ParquetGroup>,
): Promise<void> {
  return writingParquet(path, columns, metadata, async (write) => {
    for await (const group of groups) await write(group);
  });
}

/** As {@link writeParquet} does, with the groups that `work` gives to `write`. */
export async function writingParquet(
  path: string,
  columns: readonly ParquetColumn[],
  metadata: Readonly<Record<string, string>>,
  work: (write: (group: ParquetGroup) => Promise<void>) => Promise<void>,
): Promise<void> {
  const units = columns.flatMap(({ name, unit }) => (unit === undefined ? [] : [[`unit.${name}`, unit]]));
  const kvMetadata = [...Object.entries(metadata), ...units].map(([key, value]) => ({ key: key!, value }));
  const described = (group: ParquetGroup | null): ColumnSource[] =>
    columns.map((column, i) => {
      const { name, type, nullable = false } = column;
      const data = group?.[i] ?? [];
      if (type !== 'JSON') return { name, type, nullable, data };
      // Documents hardly repeat, and the least and the largest of them say nothing.
      return { name, type, nullable, data: documentsOf(column, data), encoding: 'PLAIN', statistics: false };
    });
  await writeAtomically(path, async (handle) => {
    const sink = new FileSink();
    const schema = schemaFromColumnData({ columnData: described(null) });
    const documents = schema.filter(({ converted_type }) => converted_type === 'JSON');
    // They come as bytes: the writer would copy every one before it spells it. Only the footer says what they are.
    for (const element of documents) element.converted_type = undefined;
    const compressors = { SNAPPY: snappyCompress };
    const writer = new ParquetWriter({
      ...{ writer: sink, schema, kvMetadata, compressors },
      createdBy: 'orthoscope',
    });
    await work(async (group) => {
      const { length } = group[0]!;
      if (length === 0) return;
      writer.write({ columnData: described(group), rowGroupSize: length });
      await sink.drain(handle);
    });
    for (const element of documents) element.converted_type = 'JSON';
    writer.finish();
    await sink.drain(handle);
  });
}

const encoder = new TextEncoder();

/** At most this many bytes a UTF-16 unit. */
const UTF8_BYTES = 3;
/** Documents lie side by side in pieces of memory of this size: one of its own for each takes longer than to spell it. */
const PIECE = 1 << 20;

/** Documents as bytes. */
function documentsOf({ spelt }: ParquetColumn, cells: ColumnSource['data']): (Uint8Array | null)[] {
  let piece = new Uint8Array();
  return Array.from(cells, (cell) => {
    if (cell == null) return null;
    const text = spelt ? (cell as string) : JSON.stringify(cell);
    const most = UTF8_BYTES * text.length;
    if (piece.length < most) piece = new Uint8Array(Math.max(PIECE, most));
    const { written } = encoder.encodeInto(text, piece);
    const document = piece.subarray(0, written);
    piece = piece.subarray(written);
    return document;
  });
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

/** A JSON document of a file, parsed where its row is asked for. */
class Document {
  constructor(private readonly bytes: Uint8Array) {}

  parse(): unknown {
    return parseJson(utf8.decode(this.bytes));
  }
}

const PARSERS = {
  stringFromBytes: textOf,
  jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && new Document(bytes),
  // Shapes on maps may lie within each other as deeply as a file says.
  geometryFromBytes: () => null,
  geographyFromBytes: () => null,
};

/** The rows of a row group. They lie by column: a row is made when it is asked for. */
export interface ParquetRows {
  length: number;
  /**
   * One cell: what {@link row} has there; undefined where there is no such column.
   * @throws InputError if it is damaged
   */
  cell(column: string, row: number): unknown;
  /**
   * Integers of 64 bits are numbers, bytes that are no text null.
   * @throws InputError if a cell is damaged
   */
  row(at: number): Record<string, unknown>;
}

/**
 * Streams a file, a row group at a time.
 * @throws InputError if the file is missing or damaged
 */
export async function* readParquetGroups(path: string): AsyncGenerator<ParquetRows> {
  const opened = await openParquet(path);
  let rowStart = 0;
  for (const { num_rows } of opened.metadata.row_groups) {
    if (num_rows > MOST_ROWS)
      throw new InputError(
        `${path}: a row group of ${num_rows} rows; at most ${MOST_ROWS} are read at once: write smaller row groups`,
      );
    const rowEnd = rowStart + Number(num_rows);
    if (rowEnd > rowStart) yield await readRows(opened, path, rowStart, rowEnd);
    rowStart = rowEnd;
  }
}

/**
 * Streams the rows of a file, one by one.
 * @throws InputError if the file is missing or damaged
 */
export async function* readParquetRows(path: string): AsyncGenerator<Record<string, unknown>> {
  for await (const rows of readParquetGroups(path))
    for (let at = 0; at < rows.length; at++) yield rows.row(at);
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
      if (column && column.codec !== 'UNCOMPRESSED' && !BOUNDED[column.codec])
        throw new InputError(
          `${path}: column "${column.path_in_schema.join('.')}" is compressed by ${column.codec}, which is not read; write it with zstd`,
        );
  if (rows > 0) (await readRows(opened, path, 0, 1)).row(0);
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
    await checkFooter(file);
    const metadata = await parquetMetadataAsync(file, { geoparquet: false });
    checkSchema(metadata.schema);
    return { file, metadata };
  });
}

/** What is no footer at all, its reader says. */
async function checkFooter(file: AsyncBuffer): Promise<void> {
  const end = file.byteLength - 8;
  const length = end < 0 ? 0 : new DataView(await file.slice(end)).getUint32(0, true);
  if (length > 0 && length <= end) checkStruct(new DataView(await file.slice(end - length, end)), 0);
}

/** Rows of one row group, or some of them. */
async function readRows(
  { file, metadata }: Opened,
  path: string,
  rowStart: number,
  rowEnd: number,
): Promise<ParquetRows> {
  const columns = await reading(path, async () => {
    const tree = parquetSchema(metadata);
    const pages = new PageCheck(file.byteLength);
    // Columns are read side by side; one that fails unseen, because another did before it, would end the process. So
    // nothing is read before all are known, and every one is listened to.
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let read = 0;
    const later = {
      byteLength: file.byteLength,
      // Each column is a slice of its own, in the order of the plan.
      slice: (from: number, to?: number) => {
        const { columnMetadata } = plan.groups[0]!.chunks[read++]!;
        const schemaPath = getTreePath(tree, columnMetadata.path_in_schema);
        const column = { ...columnMetadata, schemaPath, element: schemaPath.at(-1)!.element };
        return heard(begun.then(async () => pages.check(await file.slice(from, to), column)));
      },
    };
    const options = {
      file: later,
      metadata,
      rowStart,
      rowEnd,
      parsers: PARSERS,
      compressors: pages.compressors,
    };
    const plan = parquetPlan(options);
    const group = plan.groups[0] && readRowGroup(options, plan, plan.groups[0]);
    begin();
    if (!group) return [];
    for (const { data } of group.asyncColumns) heard(data);
    const { asyncColumns, groupStart } = assembleAsync(group, tree, PARSERS);
    for (const { data } of asyncColumns) heard(data);
    return Promise.all(
      asyncColumns.map(async ({ pathInSchema, data }) => {
        const { data: pages, skipped } = await data;
        const there = pages.reduce((sum, page) => sum + page.length, groupStart + skipped);
        if (there < rowEnd) throw new Error(`column "${pathInSchema[0]}" has ${there} of ${rowEnd} rows`);
        return { name: pathInSchema[0]!, valueAt: over(pages, rowStart - groupStart - skipped) };
      }),
    );
  });
  const byName = new Map(columns.map(({ name, valueAt }) => [name, valueAt]));
  const making = <Made>(make: () => Made): Made => {
    try {
      return make();
    } catch (error) {
      throw damaged(path, error);
    }
  };
  return {
    length: columns.length === 0 ? 0 : rowEnd - rowStart,
    cell: (column, row) => making(() => plain(byName.get(column)?.(row))),
    row: (at) =>
      making(() => Object.fromEntries(columns.map(({ name, valueAt }) => [name, plain(valueAt(at))]))),
  };
}

/** Values of a column by number, over its pages; the first few are passed over. */
function over(pages: readonly ArrayLike<unknown>[], skipped: number): (at: number) => unknown {
  // Where the page begins that was looked at last: rows are mostly asked for in their order.
  let [page, start] = [0, -skipped];
  return (at) => {
    while (at < start) start -= pages[--page]!.length;
    while (at >= start + pages[page]!.length) start += pages[page++]!.length;
    return pages[page]![at - start];
  };
}

/** A promise that may fail without anybody waiting for it. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Arrays and objects included: documents are parsed, bigint becomes number, typed arrays become lists. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Document) return value.parse();
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
    throw damaged(path, error);
  }
}

function damaged(path: string, error: unknown): InputError {
  return new InputError(`${path}: not a Parquet file, or a damaged one (${(error as Error).message})`);
}
