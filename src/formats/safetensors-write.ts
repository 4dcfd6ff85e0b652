/** Writes safetensors files: same tensors and metadata, same bytes. */
import { crc32 } from 'node:zlib';
import { InputError } from '../errors.js';
import { writeAtomically } from './atomic-file.js';
import { f32ToBf16, f32ToF16 } from './float-conversion.js';
import { CHECKSUMS, elementCount, LENGTH_BYTES, MAX_HEADER_BYTES } from './safetensors-header.js';
import { writePieces } from './write-pieces.js';

interface FloatTensor {
  /** F16 and BF16 are rounded to nearest, ties to even. */
  dtype: 'F32' | 'F16' | 'BF16';
  shape: readonly number[];
  /** Row-major. */
  data: Float32Array;
}

interface IntegerTensor {
  dtype: 'I32';
  shape: readonly number[];
  data: Int32Array;
}

export type TensorData = FloatTensor | IntegerTensor;

export interface WriteOptions {
  /** Adds each tensor's CRC-32 to the metadata, for reads with `checked`. */
  checksums?: boolean;
}

/**
 * Writes tensors, whole file or nothing. They are laid out by element size, largest first, then by name,
 * as the format's own library does, so that each lies on a multiple of its element size.
 * @param metadata strings for `__metadata__`; written in key order
 * @throws RangeError if a tensor's data does not fill its shape; InputError if the file cannot be written
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
  { checksums = false }: WriteOptions = {},
): Promise<void> {
  const ordered = [...tensors].sort(
    ([nameA, a], [nameB, b]) => WIDTHS[b.dtype] - WIDTHS[a.dtype] || (nameA < nameB ? -1 : 1),
  );
  const stored = ordered.map(([, tensor]) => storedBytes(tensor));
  const sums = () => Object.fromEntries(ordered.map(([name], i) => [name, crc32(stored[i]!)]));
  const described = checksums ? { ...metadata, [CHECKSUMS]: JSON.stringify(sums()) } : metadata;
  const header = encodeHeader(ordered, described, path);
  await writeAtomically(path, (handle) => writePieces(handle, [header, ...stored]));
}

const WIDTHS: Record<TensorData['dtype'], number> = { F32: 4, F16: 2, BF16: 2, I32: 4 };

function encodeHeader(
  ordered: readonly [string, TensorData][],
  metadata: Readonly<Record<string, string>>,
  path: string,
): Uint8Array {
  const fields: [string, unknown][] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0)
    fields.push(['__metadata__', Object.fromEntries(keys.map((key) => [key, metadata[key]]))]);
  let offset = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    if (name === '__metadata__') throw new RangeError('"__metadata__" is no name for a tensor');
    if (elementCount(shape) !== data.length)
      throw new RangeError(`tensor "${name}" has ${data.length} values for shape [${shape}]`);
    const end = offset + data.length * WIDTHS[dtype];
    fields.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Spelled out entry by entry: one object would move names that look like numbers to the front.
  const text = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  const json = new TextEncoder().encode(text);
  // Padded with spaces so that the data begins on a multiple of eight.
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES)
    throw new InputError(
      `${path}: a header of ${length} bytes is more than the format's ${MAX_HEADER_BYTES}`,
    );
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

function storedBytes({ dtype, data }: TensorData): Uint8Array {
  const stored = dtype === 'F16' ? f32ToF16(data) : dtype === 'BF16' ? f32ToBf16(data) : data;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}
