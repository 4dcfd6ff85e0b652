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
import { parquetReadAsync } from 'hyparquet/src/read.js';
import { assembleAsync, asyncGroupToRows } from 'hyparquet/src/rowgroup.js';
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
      ...{ name, type, nullable, data: group?.[i] ?? [] },
      // Documents hardly repeat, and the least and the largest of them say nothing.
      ...(type === 'JSON' && { encoding: 'PLAIN' as const, statistics: false }),
    }));
  await writeAtomically(path, async (handle) => {
    const sink = new FileSink();
    const schema = schemaFromColumnData({ columnData: described(null) });
    const writer = new ParquetWriter({ writer: sink, schema, kvMetadata, createdBy: 'orthoscope' });
    for await (const group of groups) {
      if (group[0]!.length === 0) continue;
      writer.write({ columnData: described(group), rowGroupSize: group[0]!.length });
      await sink.drain(handle);
    }
    writer.finish();
    await sink.drain(handle);
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

/**
 * Streams the rows of a file, a row group at a time, by column; integers of 64 bits become numbers, bytes that are no
 * text null.
 * @throws InputError if the file is missing or damaged
 */
export async function* readParquetRows(path: string): AsyncGenerator<Record<string, unknown>> {
  const opened = await openParquet(path);
  let rowStart = 0;
  for (const { num_rows } of opened.metadata.row_groups) {
    const rowEnd = rowStart + Number(num_rows);
    yield* await rowsOf(opened, path, rowStart, rowEnd);
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
  if (rows > 0) await rowsOf(opened, path, 0, 1);
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

/** Rows of one row group. */
function rowsOf(
  { file, metadata }: Opened,
  path: string,
  rowStart: number,
  rowEnd: number,
): Promise<Record<string, unknown>[]> {
  return reading(path, async () => {
    const parsers = { stringFromBytes: textOf };
    // Columns are read side by side; one that fails unseen, because another did before it, would end the process. So
    // nothing is read before all are known, and every one is listened to.
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const later = {
      byteLength: file.byteLength,
      slice: (from: number, to?: number) => heard(begun.then(() => file.slice(from, to))),
    };
    const groups = parquetReadAsync({
      file: later,
      metadata,
      rowStart,
      rowEnd,
      parsers,
      compressors: BOUNDED,
    });
    const rows: Record<string, unknown>[] = [];
    begin();
    for (const group of groups) {
      for (const { data } of group.asyncColumns) heard(data);
      const assembled = assembleAsync(group, parquetSchema(metadata), parsers);
      for (const { data } of assembled.asyncColumns) heard(data);
      const from = Math.max(rowStart - group.groupStart, 0);
      const to = Math.min(rowEnd - group.groupStart, group.groupRows);
      rows.push(...(await asyncGroupToRows(assembled, from, to, undefined, 'object')));
    }
    return rows.map((row) => plain(row) as Record<string, unknown>);
  });
}

/** A promise that may fail without anybody waiting for it. */
function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
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
