/** Unfolds the pages of Parquet files, into no more room than a page of its size may take. */
import * as zlib from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { checkWeights } from './zstd-weights.js';

/** A page may unfold to so many times its bytes, or this much: a damaged one announces any size. */
const MOST_UNFOLDED = 1000;
const SMALL_PAGE = 64 << 20;

/** Node's own are held to the size that is announced. Node 20 has none for zstd. */
type Unfold = (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
const zstd = (zlib as { zstdDecompressSync?: Unfold }).zstdDecompressSync;

const CODECS: Compressors = {
  ...compressors,
  GZIP: (input, size) => zlib.unzipSync(input, { maxOutputLength: size }),
  BROTLI: (input, size) => zlib.brotliDecompressSync(input, { maxOutputLength: size }),
  ZSTD: (input, size) => {
    if (zstd) return zstd(input, { maxOutputLength: size });
    checkZstd(input, size);
    return compressors.ZSTD!(input, size);
  },
};

/** What unfolds each codec. @throws Error if a page announces far more than its bytes can hold, or is damaged */
export const BOUNDED: Compressors = Object.fromEntries(
  Object.entries(CODECS).map(([codec, unfold]) => [
    codec,
    (input: Uint8Array, size: number) => {
      if (!(size >= 0 && size <= Math.max(SMALL_PAGE, MOST_UNFOLDED * input.length)))
        throw new Error(`a page of ${input.length} bytes announces ${size}`);
      return size === 0 ? new Uint8Array() : unfold(input, size);
    },
  ]),
);

/** What zstd's own program takes without being told to take more. */
const MOST_WINDOW = 2 ** 27;
/** Bytes that a compressed block unfolds to at most, and fewer than any program puts into one on the average. */
const BLOCK = 2 ** 17;
const LEAST_BLOCK = 512;

/**
 * Holds the frames of a page to the size that it announces, for a reader that makes room for what each of them says.
 * https://datatracker.ietf.org/doc/html/rfc8878, sections 3.1.1 and 3.1.2
 */
export function checkZstd(input: Uint8Array, size: number): void {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let [at, stored, blocks] = [0, 0, 0];
  while (at < input.length) {
    const magic = view.getUint32(at, true);
    if (magic >>> 4 === 0x184d2a5) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    const flags = view.getUint8(at + 4);
    const single = (flags & 0x20) !== 0;
    if (!single) {
      const window = view.getUint8(at + 5);
      const bytes = 2 ** (10 + (window >> 3)) * (1 + (window & 7) / 8);
      if (bytes > MOST_WINDOW) throw new Error(`a page looks back ${bytes} bytes`);
    }
    const sizeBytes = flags >> 6 ? 1 << (flags >> 6) : Number(single);
    at += (single ? 5 : 6) + [0, 1, 2, 4][flags & 3]!;
    const announced = littleEndian(view, at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
    if (announced > size) throw new Error(`a page of ${size} bytes holds one of ${announced}`);
    at += sizeBytes;
    for (let last = false; !last; ) {
      const header = littleEndian(view, at, 3);
      const [kind, bytes] = [(header >> 1) & 3, header >> 3];
      last = header % 2 === 1;
      if (kind === 2) checkWeights(input.subarray(at + 3, at + 3 + bytes));
      at += 3 + (kind === 1 ? 1 : bytes);
      if (kind === 2) blocks++;
      else stored += bytes;
      if (stored > size || blocks > size / LEAST_BLOCK + 16)
        throw new Error(`the blocks of a page of ${size} bytes may unfold to ${stored + blocks * BLOCK}`);
    }
    if (flags & 4) at += 4;
  }
}

function littleEndian(view: DataView, at: number, bytes: number): number {
  let value = 0;
  for (let i = 0; i < bytes; i++) value += view.getUint8(at + i) * 2 ** (8 * i);
  return value;
}
