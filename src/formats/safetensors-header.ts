/**
 * The header of a safetensors file, parsed and held to every rule of the format: eight bytes with the
 * header's length (little-endian), a JSON object of that length, then the tensors' bytes without a gap.
 */
import { InputError } from '../errors.js';
import { duplicateKey } from './duplicate-key.js';
import { describeJson, isRecord, parseJsonObject } from './json-file.js';

/** Bytes an element of each dtype of the format takes that is whole bytes. */
const ELEMENT_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  F8_E4M3FNUZ: 1,
  F8_E5M2FNUZ: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
  C64: 8,
} as const;

/** Those whose numbers are read. */
const READ = ['F32', 'F16', 'BF16', 'F64', 'I32'] as const;

export type Dtype = keyof typeof ELEMENT_BYTES;

export interface TensorInfo {
  /** One of the format's, or another: the format grows, and a file may hold tensors that nobody needs. */
  dtype: string;
  /** [] is one number; a size of 0 is an empty tensor. */
  shape: number[];
}

export interface TensorEntry extends TensorInfo {
  /** First byte, counted from the start of the file. */
  start: number;
  /** One past the last byte. */
  end: number;
}

export interface Header {
  tensors: Map<string, TensorEntry>;
  /** `__metadata__`; empty where the file has none. */
  metadata: Record<string, string>;
}

/** Bytes in front of the header: its length, as a 64-bit integer. */
export const LENGTH_BYTES = 8;

/** Metadata entry of our own: a JSON object with the CRC-32 of each tensor's bytes, by name. */
export const CHECKSUMS = 'crc32';

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

export function elementBytes(dtype: Dtype): number {
  return ELEMENT_BYTES[dtype];
}

/** Whether tensors of this dtype can be read, and are not only passed over. */
export function canBeRead(dtype: string): boolean {
  return (READ as readonly string[]).includes(dtype);
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Length of the header that follows the first eight bytes of a file.
 * @throws InputError if the file cannot hold it
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, path: string): number {
  if (prefix.length < LENGTH_BYTES)
    throw new InputError(`${path}: ${fileBytes} bytes are too few for a safetensors file; it was cut off`);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    throw new InputError(
      `${path}: announces a header of ${length} bytes, the format allows ${MAX_HEADER_BYTES}; is it a safetensors file?`,
    );
  if (LENGTH_BYTES + Number(length) > fileBytes)
    throw new InputError(
      `${path}: announces a header of ${length} bytes, but the file has ${fileBytes}; it was cut off or is not safetensors`,
    );
  return Number(length);
}

/**
 * @param bytes the header, without the eight bytes in front
 * @param fileBytes size of the whole file
 * @throws InputError naming the file, the tensor and the rule it breaks
 */
export function parseHeader(bytes: Uint8Array, fileBytes: number, path: string): Header {
  const where = `${path}: header`;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${where}: not valid UTF-8; is it a safetensors file?`);
  }
  if (!text.startsWith('{'))
    throw new InputError(`${where}: does not begin with "{"; is it a safetensors file?`);
  const fields = parseJsonObject(text, where);
  const repeated = duplicateKey(text);
  if (repeated !== null) throw new InputError(`${where}: holds "${repeated}" twice`);

  const dataStart = LENGTH_BYTES + bytes.length;
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(fields))
    if (name !== '__metadata__') tensors.set(name, parseEntry(value, dataStart, `${path}: tensor "${name}"`));
  checkCoverage(tensors, dataStart, fileBytes, path);
  return { tensors, metadata: parseMetadata(fields.__metadata__, where) };
}

function parseEntry(value: unknown, dataStart: number, where: string): TensorEntry {
  if (!isRecord(value)) throw new InputError(`${where}: expected an object, found ${describeJson(value)}`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !/^\w{1,32}$/.test(dtype))
    throw new InputError(`${where}: dtype is ${describeJson(dtype)}; F32 is one`);
  if (!isSizes(shape))
    throw new InputError(`${where}: shape ${JSON.stringify(shape)} is not a list of whole numbers`);
  if (!isSizes(offsets) || offsets.length !== 2)
    throw new InputError(`${where}: data_offsets ${JSON.stringify(offsets)} are not two whole numbers`);
  const [start, end] = offsets as [number, number];
  if (start > end) throw new InputError(`${where}: data_offsets [${start},${end}] end before they start`);
  if (!Object.hasOwn(ELEMENT_BYTES, dtype))
    return { dtype, shape, start: dataStart + start, end: dataStart + end };
  const bytes = elementCount(shape) * elementBytes(dtype as Dtype);
  // An overflow leaves the safe integers, and no file is that long: the comparison still holds.
  if (bytes !== end - start)
    throw new InputError(
      `${where}: ${dtype} of shape [${shape}] takes ${bytes} bytes, its data_offsets [${start},${end}] hold ${end - start}`,
    );
  return { dtype, shape, start: dataStart + start, end: dataStart + end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** The tensors must cover the data exactly: no overlap, no hole, nothing left over, nothing beyond the end. */
function checkCoverage(
  tensors: Map<string, TensorEntry>,
  dataStart: number,
  fileBytes: number,
  path: string,
): void {
  const ordered = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let covered = dataStart;
  let before = 'the header';
  for (const [name, { start, end }] of ordered) {
    if (end > fileBytes)
      throw new InputError(
        `${path}: tensor "${name}" ends at byte ${end}, but the file has ${fileBytes}; it was cut off or its header is wrong`,
      );
    if (start !== covered)
      throw new InputError(
        `${path}: tensor "${name}" starts at byte ${start}, ${start < covered ? 'inside' : 'with a gap after'} ${before}, which ends at ${covered}`,
      );
    covered = end;
    before = `tensor "${name}"`;
  }
  if (covered !== fileBytes)
    throw new InputError(`${path}: ${fileBytes - covered} bytes after the last tensor belong to none`);
}

function parseMetadata(value: unknown, where: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value))
    throw new InputError(`${where}: "__metadata__" is ${describeJson(value)}, not an object`);
  for (const [key, entry] of Object.entries(value))
    if (typeof entry !== 'string')
      throw new InputError(`${where}: "__metadata__" entry "${key}" is ${describeJson(entry)}, not a string`);
  return value as Record<string, string>;
}
