/** Parquet files made by hand, for what no program writes. https://github.com/apache/parquet-format */
import { ByteWriter } from 'hyparquet-writer';
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js';

export const TYPE = { BOOLEAN: 0, INT32: 1, INT64: 2, DOUBLE: 5, BYTE_ARRAY: 6 };
export const CODEC = { UNCOMPRESSED: 0, GZIP: 2, BROTLI: 4, ZSTD: 6 };
export const ENCODING = { PLAIN: 0, RLE: 3, DELTA_BINARY: 5, DELTA_BYTES: 7, DICTIONARY: 8 };
const PAGE = { data: 0, dictionary: 2, second: 3 };

export interface Page {
  kind: keyof typeof PAGE;
  values: number;
  encoding: number;
  /** As it lies in the file. */
  bytes: Uint8Array;
  /** Length when unfolded; that of the bytes where they are not compressed. */
  unfolded?: number;
  /** Of the second kind. */
  nulls?: number;
  levels?: number;
}

interface ColumnOf {
  type: number;
  codec?: number;
  optional?: boolean;
  /** https://github.com/apache/parquet-format/blob/master/LogicalTypes.md, ConvertedType */
  converted?: number;
  rows: number;
  pages: readonly Page[];
  /** Schema elements in place of the one column. */
  schema?: object[];
  path?: string[];
}

/** A file of one column "a". */
export function parquetBytes({
  type,
  codec = 0,
  optional,
  converted,
  rows,
  pages,
  ...more
}: ColumnOf): Buffer {
  const chunk = Buffer.concat(pages.flatMap((page) => [header(page), Buffer.from(page.bytes)]));
  const { schema, path = ['a'] } = more;
  const element = { field_1: type, field_3: optional ? 1 : 0, field_4: 'a', field_6: converted };
  const size = BigInt(chunk.length);
  const column = {
    field_2: 4n,
    field_3: {
      field_1: type,
      field_2: [0],
      field_3: path,
      field_4: codec,
      field_5: BigInt(rows),
      field_6: size,
      field_7: size,
      field_9: 4n,
    },
  };
  const footer = thrift({
    field_1: 1,
    field_2: schema ?? [{ field_4: 'root', field_5: 1 }, element],
    field_3: BigInt(rows),
    field_4: [{ field_1: [column], field_2: size, field_3: BigInt(rows) }],
  });
  return withFooter(chunk, footer);
}

export function withFooter(chunk: Uint8Array, footer: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([Buffer.from('PAR1'), chunk, footer, length, Buffer.from('PAR1')]);
}

function header({
  kind,
  values,
  encoding,
  bytes,
  unfolded = bytes.length,
  nulls = 0,
  levels = 0,
}: Page): Buffer {
  const own = {
    data: { field_5: { field_1: values, field_2: encoding, field_3: 3, field_4: 3 } },
    dictionary: { field_7: { field_1: values, field_2: encoding } },
    second: {
      field_8: {
        field_1: values,
        field_2: nulls,
        field_3: values,
        field_4: encoding,
        field_5: levels,
        field_6: 0,
      },
    },
  }[kind];
  return thrift({ field_1: PAGE[kind], field_2: unfolded, field_3: bytes.length, ...own });
}

function thrift(fields: Record<`field_${number}`, unknown>): Buffer {
  const writer = new ByteWriter();
  serializeTCompactProtocol(writer, fields);
  return Buffer.from(writer.getBytes());
}

/** Numbers in groups of seven bits. */
export function varints(...numbers: number[]): Buffer {
  return Buffer.from(
    numbers.flatMap((number) => {
      const bytes: number[] = [];
      let left = number;
      for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
      return [...bytes, left];
    }),
  );
}

/** Bytes behind their length. */
export function sized(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}
