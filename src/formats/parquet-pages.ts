/**
 * What a Parquet file announces, held against what it holds before hyparquet makes room for it: the library believes
 * every count, and a few bytes can announce billions of values. https://github.com/apache/parquet-format
 */
import type { ColumnMetaData, Compressors, PageHeader, SchemaElement, SchemaTree } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from 'hyparquet/src/schema.js';
import { BOUNDED } from './parquet-codecs.js';
import { checkStruct, varint } from './parquet-thrift.js';

/** Rows of a group, and values of a page, that are read at once. */
export const MOST_ROWS = 2 ** 24;

/** Values of all columns of a row group: so many a byte of the file, or this many. */
const VALUES_A_BYTE = 16;
const FEW_VALUES = 2 ** 26;
/** Bytes that all pages of a row group unfold to: so many times those of the file, or this many. */
const UNFOLDED_A_BYTE = 100;
const FEW_BYTES = 2 ** 30;

/** Levels of lists and records within each other. */
const MOST_LEVELS = 200;

/** What is read of a column. */
export interface Column extends Pick<ColumnMetaData, 'type' | 'codec'> {
  element: SchemaElement;
  schemaPath: SchemaTree[];
}

type Encoding = NonNullable<PageHeader['data_page_header']>['encoding'];

/** The pages of one row group. */
export class PageCheck {
  #values = 0;
  #unfolded = 0;
  /** Pages that are checked once they are unfolded, by where their compressed bytes begin. */
  readonly #later = new WeakMap<ArrayBufferLike, Map<number, (page: Uint8Array) => void>>();

  /** @param fileBytes length of the file */
  constructor(readonly fileBytes: number) {}

  /** Unfolds pages of columns that were {@link check}ed. */
  readonly compressors: Compressors = Object.fromEntries(
    Object.entries(BOUNDED).map(([codec, unfold]) => [
      codec,
      (input: Uint8Array, size: number) => {
        this.#unfold(size);
        const page = unfold(input, size);
        this.#later.get(input.buffer)?.get(input.byteOffset)?.(page);
        return page;
      },
    ]),
  );

  /** @throws Error if a page of the column announces what it does not hold, or all columns together hold too much */
  check(buffer: ArrayBuffer, column: Column): ArrayBuffer {
    if (column.schemaPath.length < 2) throw new Error('a column without a name');
    const reader = { view: new DataView(buffer), offset: 0 };
    const later = new Map<number, (page: Uint8Array) => void>();
    this.#later.set(buffer, later);
    while (reader.offset < buffer.byteLength - 1) {
      checkStruct(reader.view, reader.offset);
      const header = parquetHeader(reader);
      const { compressed_page_size: bytes, data_page_header_v2: second } = header;
      if (!(bytes >= 0)) throw new Error(`a page announces ${bytes} bytes`);
      const from = reader.offset;
      reader.offset += bytes;
      const pageOf = (at: number) => new Uint8Array(buffer, at, Math.max(0, from + bytes - at));
      const levels = second ? this.#checkLevels(pageOf(from), second, column) : 0;
      const check = this.#checkOf(header, column);
      const plain =
        column.codec === 'UNCOMPRESSED' ||
        second?.is_compressed === false ||
        (second && header.uncompressed_page_size === levels);
      if (plain) check(pageOf(from + levels));
      else later.set(from + levels, check);
    }
    return buffer;
  }

  /** Counts a page's values, and says how what it holds is checked. */
  #checkOf(header: PageHeader, column: Column): (page: Uint8Array) => void {
    const {
      data_page_header: first,
      dictionary_page_header: dictionary,
      data_page_header_v2: second,
    } = header;
    const { num_values: values } = first ?? dictionary ?? second ?? { num_values: -1 };
    if (!(values >= 0 && values <= MOST_ROWS)) throw new Error(`a page announces ${values} values`);
    this.#values += values;
    if (this.#values > Math.max(FEW_VALUES, VALUES_A_BYTE * this.fileBytes))
      throw new Error(`a row group of more than ${this.#values - values} values`);
    return (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (header.type === 'DATA_PAGE' && first) {
        const { from, present } = levelsInPage(view, values, column.schemaPath);
        this.#checkValues(view, from, present, first.encoding, column, false);
      } else if (header.type === 'DATA_PAGE_V2' && second)
        this.#checkValues(view, 0, values - second.num_nulls, second.encoding, column, true);
      else if (header.type === 'DICTIONARY_PAGE') this.#checkValues(view, 0, values, 'PLAIN', column, false);
    };
  }

  /** Of the second kind of data page, whose levels are not compressed. @returns their bytes */
  #checkLevels(
    page: Uint8Array,
    header: NonNullable<PageHeader['data_page_header_v2']>,
    { schemaPath }: Column,
  ): number {
    const { num_values: values, num_nulls: nulls } = header;
    if (!(nulls >= 0 && nulls <= values))
      throw new Error(`a page of ${values} values announces ${nulls} nulls`);
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    let from = 0;
    for (const [most, bytes] of [
      [getMaxRepetitionLevel(schemaPath), header.repetition_levels_byte_length],
      [getMaxDefinitionLevel(schemaPath), header.definition_levels_byte_length],
    ] as const) {
      if (!(bytes >= 0 && from + bytes <= page.length))
        throw new Error(`a page announces ${bytes} bytes of levels`);
      if (most > 0) countInRuns(view, from, widthOf(most), values);
      from += bytes;
    }
    return from;
  }

  /** Whether a page has room for as many values as it announces. @param second of the second kind of data page */
  #checkValues(
    view: DataView,
    from: number,
    count: number,
    encoding: Encoding,
    { type, element }: Column,
    second: boolean,
  ): void {
    if (count === 0) return;
    const left = view.byteLength - from;
    const width = type === 'FIXED_LEN_BYTE_ARRAY' ? (element.type_length ?? 0) : WIDTHS[type];
    switch (encoding) {
      case 'PLAIN':
      case 'BYTE_STREAM_SPLIT':
        if (Math.ceil(count * width) > left)
          throw new Error(`a page of ${left} bytes announces ${count} values of ${width}`);
        return;
      case 'RLE':
      case 'PLAIN_DICTIONARY':
      case 'RLE_DICTIONARY': {
        // Truth values have their length in front; what stands for a place in the dictionary, its width.
        if (second ? encoding === 'RLE' : type === 'BOOLEAN') countInRuns(view, from + 4, 1, count);
        else if (view.getUint8(from) > 0 || second) countInRuns(view, from + 1, view.getUint8(from), count);
        return;
      }
      case 'DELTA_BINARY_PACKED':
      case 'DELTA_LENGTH_BYTE_ARRAY':
        checkDeltas(view, from);
        return;
      case 'DELTA_BYTE_ARRAY':
        this.#unfold(bytesOfDeltas(view, from, count));
        return;
    }
  }

  #unfold(bytes: number): void {
    this.#unfolded += bytes;
    if (this.#unfolded > Math.max(FEW_BYTES, UNFOLDED_A_BYTE * this.fileBytes))
      throw new Error(
        `a file of ${this.fileBytes} bytes announces a row group of more than ${this.#unfolded - bytes}`,
      );
  }
}

/** Least bytes that a value takes. */
const WIDTHS = {
  BOOLEAN: 1 / 8,
  INT32: 4,
  INT64: 8,
  INT96: 12,
  FLOAT: 4,
  DOUBLE: 8,
  BYTE_ARRAY: 4,
} as const;

/** Levels of the first kind of data page. @returns where the values begin, and how many are there */
function levelsInPage(view: DataView, values: number, path: SchemaTree[]): { from: number; present: number } {
  let [from, present] = [0, values];
  // Every list adds to the definition levels, too: they come last, and the highest of them is a value.
  for (const most of [getMaxRepetitionLevel(path), getMaxDefinitionLevel(path)]) {
    if (most === 0) continue;
    present = countInRuns(view, from + 4, widthOf(most), values, most);
    from += 4 + view.getUint32(from, true);
  }
  return { from, present };
}

/** Bits that numbers up to `most` take. */
function widthOf(most: number): number {
  return 32 - Math.clz32(most);
}

/**
 * Walks through runs of equal and packed numbers (the format's "RLE").
 * @returns how many of the first `count` numbers are `wanted`
 * @throws Error if a run goes on beyond them: the reader writes as many as a run announces
 */
function countInRuns(view: DataView, from: number, width: number, count: number, wanted?: number): number {
  const reader = { view, at: from };
  let [seen, found] = [0, 0];
  while (seen < count) {
    const header = varint(reader);
    if (header % 2 === 0) {
      const length = header / 2;
      if (length > count - seen) throw new Error(`a run of ${length} where ${count - seen} values are left`);
      let value = 0;
      for (let byte = 0; byte < Math.ceil(width / 8); byte++)
        value += view.getUint8(reader.at++) * 2 ** (8 * byte);
      if (value === wanted) found += length;
      seen += length;
      continue;
    }
    const packed = 4 * (header - 1);
    const end = reader.at + (packed / 8) * width;
    if (packed > MOST_ROWS + 7 || end > view.byteLength)
      throw new Error(`a run of ${packed} packed values in ${view.byteLength - reader.at} bytes`);
    const length = Math.min(packed, count - seen);
    for (let i = 0; wanted !== undefined && i < length; i++)
      if (bitsAt(view, reader.at, i * width, width) === wanted) found++;
    seen += length;
    reader.at = end;
  }
  return found;
}

/** A number of some bits, the lowest first. */
function bitsAt(view: DataView, from: number, first: number, width: number): number {
  let value = 0;
  for (let bit = first; bit < first + width; bit++)
    value += ((view.getUint8(from + (bit >> 3)) >> (bit & 7)) & 1) * 2 ** (bit - first);
  return value;
}

/** Small blocks in a block of differences; writers put 4 there. */
const MOST_MINIBLOCKS = 2 ** 12;

/** The reader makes room for as many small blocks as are announced. */
function checkDeltas(view: DataView, at: number): void {
  const reader = { view, at };
  const [block, miniblocks] = [varint(reader), varint(reader)];
  if (!(miniblocks > 0 && miniblocks <= MOST_MINIBLOCKS && block >= miniblocks))
    throw new Error(`blocks of ${block} differences in ${miniblocks} parts`);
}

/** Bytes of texts that each begin as the one before; checked, since each is copied as long as it is announced. */
function bytesOfDeltas(view: DataView, from: number, count: number): number {
  const reader = { view, offset: from };
  const [shared, own] = [new Int32Array(count), new Int32Array(count)];
  for (const lengths of [shared, own]) {
    checkDeltas(view, reader.offset);
    deltaBinaryUnpack(reader, count, lengths);
  }
  let [bytes, before] = [0, 0];
  for (let i = 0; i < count; i++) {
    if (!(shared[i]! >= 0 && shared[i]! <= before && own[i]! >= 0))
      throw new Error(`a text that shares ${shared[i]} bytes with one of ${before}`);
    before = shared[i]! + own[i]!;
    if (shared[i]! > 0) bytes += before;
  }
  return bytes;
}

/** @throws Error if records lie too deeply within each other for whoever walks them */
export function checkSchema(schema: readonly SchemaElement[]): void {
  const left: number[] = [];
  for (const { num_children: children = 0, name, logical_type: logical } of schema) {
    // Its parts may point at each other, and be as large together as the reader has patience for.
    if (logical?.type === 'VARIANT')
      throw new Error(`column "${name}" is a variant, which is not read; write it as text`);
    while (left.at(-1) === 0) left.pop();
    if (left.length > 0) left.push(left.pop()! - 1);
    left.push(children);
    if (left.length > MOST_LEVELS + 1) throw new Error(`nested more than ${MOST_LEVELS} levels deep`);
  }
}
