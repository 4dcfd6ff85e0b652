/**
 * Packs bytes as Snappy does: what the Parquet writer's own does, byte for byte, many times faster.
 * https://github.com/google/snappy/blob/main/format_description.txt
 */

const HASH_BITS = 14;
const HASH_FACTOR = 0x1e35a7bd;
/** As far back as a copy reaches. */
const MOST_OFFSET = 0xffff;
/** The last bytes are literals: four at a time are read up to here. */
const MARGIN = 15;

/** Where the bytes of a hash were seen last. Its use is over with each call. */
const table = new Uint32Array(1 << HASH_BITS);
/** Grows to what the largest input may take. */
let room = new Uint8Array(1 << 16);

/** @returns bytes that hold until the next call */
export function snappyCompress(input: Uint8Array): Uint8Array {
  const { length } = input;
  // Literals cost a byte in sixty at most, and at most five for a length.
  const most = 32 + length + Math.ceil(length / 6);
  if (room.length < most) room = new Uint8Array(most);
  const out = room;
  let to = 0;
  let announced = length;
  for (; announced >= 0x80; announced >>>= 7) out[to++] = announced | 0x80;
  out[to++] = announced;

  const bits = Math.min(HASH_BITS, 31 - Math.clz32(Math.max(2, length)));
  const shift = 32 - bits;
  table.fill(0, 0, 1 << bits);
  const words = new DataView(input.buffer, input.byteOffset, length);
  const last = length - MARGIN;
  /** The first byte that is not packed yet. */
  let from = 0;
  let at = 1;
  search: while (at <= last) {
    // The longer nothing repeats, the wider the steps.
    let skip = 32;
    let next = at;
    let word: number;
    let found: number;
    do {
      at = next;
      next = at + (skip++ >>> 5);
      if (at > last) break search;
      word = words.getInt32(at, true);
      const hash = Math.imul(word, HASH_FACTOR) >>> shift;
      found = table[hash]!;
      table[hash] = at;
    } while (at - found > MOST_OFFSET || word !== words.getInt32(found, true));
    to = literal(out, to, input, from, at);
    for (;;) {
      const offset = at - found;
      const begin = at;
      do at += 4;
      while (at + 4 <= length && words.getInt32(at, true) === words.getInt32(at - offset, true));
      while (at < length && input[at] === input[at - offset]) at++;
      to = copy(out, to, offset, at - begin);
      from = at;
      if (at >= last) break search;
      table[Math.imul(words.getInt32(at - 1, true), HASH_FACTOR) >>> shift] = at - 1;
      word = words.getInt32(at, true);
      const hash = Math.imul(word, HASH_FACTOR) >>> shift;
      found = table[hash]!;
      table[hash] = at;
      if (at - found > MOST_OFFSET || word !== words.getInt32(found, true)) break;
    }
    at++;
  }
  if (from < length) to = literal(out, to, input, from, length);
  return out.subarray(0, to);
}

/** Bytes of the input as they are, behind their number. */
function literal(out: Uint8Array, at: number, input: Uint8Array, from: number, end: number): number {
  let to = at;
  const most = end - from - 1;
  if (most < 60) out[to++] = most << 2;
  else {
    const bytes = most < 0x100 ? 1 : most < 0x10000 ? 2 : most < 0x1000000 ? 3 : 4;
    out[to++] = (59 + bytes) << 2;
    for (let i = 0; i < bytes; i++) out[to++] = most >>> (8 * i);
  }
  if (most < 60) for (let i = from; i < end; i++) out[to++] = input[i]!;
  else {
    out.set(input.subarray(from, end), to);
    to += end - from;
  }
  return to;
}

/** What stands `offset` bytes before, once more; 64 bytes at most at a time, and none of fewer than four. */
function copy(out: Uint8Array, at: number, offset: number, length: number): number {
  let to = at;
  let left = length;
  for (; left >= 68; left -= 64) to = piece(out, to, offset, 64);
  if (left > 64) {
    to = piece(out, to, offset, 60);
    left -= 60;
  }
  return piece(out, to, offset, left);
}

function piece(out: Uint8Array, at: number, offset: number, length: number): number {
  let to = at;
  const near = length < 12 && offset < 2048;
  out[to++] = near ? 1 + ((length - 4) << 2) + ((offset >>> 8) << 5) : 2 + ((length - 1) << 2);
  out[to++] = offset;
  if (!near) out[to++] = offset >>> 8;
  return to;
}
