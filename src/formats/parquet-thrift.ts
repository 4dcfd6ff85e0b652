/**
 * Walks over the structs that Parquet's index and pages begin with, before hyparquet makes room for the lists in them:
 * https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */

/** Structs and lists within each other; the format's own come to a third of it. */
const MOST_DEPTH = 30;

interface Reader {
  view: DataView;
  at: number;
}

/** @throws Error if a list announces more items than bytes follow, or structs lie deeply within each other */
export function checkStruct(view: DataView, from: number): void {
  skipStruct({ view, at: from }, 0);
}

function skipStruct(reader: Reader, depth: number): void {
  if (depth > MOST_DEPTH) throw new Error(`structs within each other more than ${MOST_DEPTH} times`);
  for (;;) {
    const byte = next(reader);
    if (byte % 16 === 0) return;
    if (byte < 16) skipNumber(reader);
    skipValue(reader, byte % 16, depth);
  }
}

function skipValue(reader: Reader, type: number, depth: number): void {
  switch (type) {
    // True and false stand in the type.
    case 1:
    case 2:
      return;
    case 3:
      reader.at++;
      return;
    case 4:
    case 5:
    case 6:
      skipNumber(reader);
      return;
    case 7:
      reader.at += 8;
      return;
    case 8: {
      const length = varint(reader);
      reader.at += length;
      return;
    }
    case 9: {
      if (depth >= MOST_DEPTH) throw new Error(`lists within each other more than ${MOST_DEPTH} times`);
      const byte = next(reader);
      const items = byte >> 4 === 15 ? varint(reader) : byte >> 4;
      const left = reader.view.byteLength - reader.at;
      if (items > left) throw new Error(`a list of ${items} in ${left} bytes`);
      // In a list, a truth value is a byte.
      const item = byte % 16 <= 2 ? 3 : byte % 16;
      for (let i = 0; i < items; i++) skipValue(reader, item, depth + 1);
      return;
    }
    case 12:
      skipStruct(reader, depth + 1);
      return;
    default:
      throw new Error(`a field of type ${type}`);
  }
}

function next(reader: Reader): number {
  return reader.view.getUint8(reader.at++);
}

function skipNumber(reader: Reader): void {
  while (next(reader) >= 0x80);
}

/** A number in groups of seven bits, of at most five bytes. */
export function varint(reader: Reader): number {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = next(reader);
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
    if (shift >= 28) throw new Error('a number without an end');
  }
}
