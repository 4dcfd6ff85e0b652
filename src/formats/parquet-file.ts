/** Parquet files in and out: the only importer of hyparquet and hyparquet-writer. */
import type { FileHandle } from 'node:fs/promises';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
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
    columns.map(({ name, type, nullable = false }, i) => ({ name, type, nullable, data: group?.[i] ?? [] }));
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
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      const parsers = { stringFromBytes: textOf };
      const rows = await parquetReadObjects({ file, metadata, rowStart, rowEnd, parsers });
      for (const row of rows) yield plain(row) as Record<string, unknown>;
      rowStart = rowEnd;
    }
  } catch (error) {
    throw readError(error, path);
  }
}

/** @throws InputError if the file is missing or damaged */
export async function countParquetRows(path: string): Promise<number> {
  try {
    return Number((await parquetMetadataAsync(await asyncBufferFromFile(path))).num_rows);
  } catch (error) {
    throw readError(error, path);
  }
}

/** Key-value metadata of a file. @throws InputError if the file is missing or damaged */
export async function readParquetMetadata(path: string): Promise<Record<string, string>> {
  try {
    const { key_value_metadata } = await parquetMetadataAsync(await asyncBufferFromFile(path));
    return Object.fromEntries((key_value_metadata ?? []).map(({ key, value }) => [key, value ?? '']));
  } catch (error) {
    throw readError(error, path);
  }
}

/** Arrays and objects included: bigint becomes number, typed arrays become lists. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<unknown>, plain);
  if (value !== null && typeof value === 'object' && !(value instanceof Date))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  return value;
}

function readError(error: unknown, path: string): unknown {
  const known = fileError(error, path);
  if (known !== error || error instanceof InputError) return known;
  return new InputError(`${path}: not a Parquet file, or a damaged one (${(error as Error).message})`);
}
