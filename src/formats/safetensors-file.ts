/** One open safetensors file: its checked header, and tensors by positioned reads, never the whole file. */
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { InputError } from '../errors.js';
import { fileError } from './file-error.js';
import { bf16ToF32, f16ToF32 } from './float-conversion.js';
import { parseJsonObject } from './json-file.js';
import { refusePointerFile } from './lfs-pointer.js';
import {
  CHECKSUMS,
  elementBytes,
  elementCount,
  type Header,
  headerLength,
  LENGTH_BYTES,
  parseHeader,
  type TensorEntry,
} from './safetensors-header.js';

/** Bytes held at a time while a tensor is converted or hashed: small beside a tensor, large beside a read's cost. */
const CHUNK_BYTES = 4 << 20;

export interface ReadOptions {
  /** Gives the buffer that holds the result, of as many bytes as it is asked for; a new one by default. */
  memory?: (bytes: number) => ArrayBuffer;
  /** Refuses NaN and infinities. */
  finite?: boolean;
  /** Refuses bytes that do not have the checksum in the file's metadata, or have none there. */
  checked?: boolean;
}

/** What tells one state of a file from another without reading it. */
export interface FileState {
  path: string;
  bytes: string;
  modifiedNs: string;
  inode: string;
}

export class SafetensorsFile {
  private checksums: Map<string, unknown> | undefined;

  private constructor(
    readonly path: string,
    readonly header: Header,
    readonly state: FileState,
    private readonly handle: FileHandle,
  ) {}

  /**
   * Reads and checks the header.
   * @throws InputError if the file is missing, or breaks the format in any way
   */
  static async open(path: string): Promise<SafetensorsFile> {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path);
      const stat = await handle.stat({ bigint: true });
      if (stat.isDirectory()) throw new InputError(`${path}: is a folder, not a file`);
      const bytes = Number(stat.size);
      const prefix = new Uint8Array(Math.min(LENGTH_BYTES, bytes));
      await readFully(handle, prefix, 0, path);
      const header = new Uint8Array(headerLength(prefix, bytes, path));
      await readFully(handle, header, LENGTH_BYTES, path);
      const state: FileState = {
        path: await realpath(path),
        bytes: String(stat.size),
        modifiedNs: String(stat.mtimeNs),
        inode: String(stat.ino),
      };
      return new SafetensorsFile(path, parseHeader(header, bytes, path), state, handle);
    } catch (error) {
      await handle?.close();
      await refusePointerFile(path);
      throw fileError(error, path);
    }
  }

  /** @throws InputError if there is no such tensor */
  entry(name: string): TensorEntry {
    const entry = this.header.tensors.get(name);
    if (!entry) throw new InputError(`${this.path}: no tensor "${name}"`);
    return entry;
  }

  /**
   * A tensor's values, row-major, as float32: F32 as stored, F16 and BF16 exactly, F64 rounded.
   * @throws InputError if it is missing or of another dtype, holds a NaN or an infinity (with `finite`), or does
   *   not have its checksum (with `checked`)
   */
  async readFloat32(
    name: string,
    { memory = (bytes) => new ArrayBuffer(bytes), finite, checked }: ReadOptions = {},
  ): Promise<Float32Array> {
    const { dtype, shape, start } = this.entry(name);
    if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16' && dtype !== 'F64')
      throw new InputError(
        `${this.path}: tensor "${name}" has dtype ${dtype}; F32, F16, BF16 and F64 can be read`,
      );
    const width = elementBytes(dtype);
    const count = elementCount(shape);
    const out = new Float32Array(memory(count * 4));
    let sum = 0;
    // F32 goes straight to its place; what must be converted, in pieces.
    const chunk = dtype === 'F32' ? out.buffer : new ArrayBuffer(Math.min(CHUNK_BYTES, count * width));
    for (let done = 0; done < count; done += chunk.byteLength / width) {
      const length = Math.min(chunk.byteLength / width, count - done);
      const target = out.subarray(done, done + length);
      const bytes = new Uint8Array(chunk, 0, length * width);
      await readFully(this.handle, bytes, start + done * width, this.path);
      if (checked) sum = crc32(bytes, sum);
      if (dtype === 'F16') f16ToF32(new Uint16Array(chunk, 0, length), target);
      else if (dtype === 'BF16') bf16ToF32(new Uint16Array(chunk, 0, length), target);
      else if (dtype === 'F64') target.set(new Float64Array(chunk, 0, length));
      if (finite) this.checkFinite(name, target, done);
    }
    if (checked) this.checkSum(name, sum);
    return out;
  }

  /** A tensor's bytes as stored, in order; each piece is valid until the next is asked for. */
  async *readBytes(name: string): AsyncGenerator<Uint8Array> {
    const { start, end } = this.entry(name);
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, end - start));
    for (let position = start; position < end; position += chunk.length) {
      const piece = chunk.subarray(0, Math.min(chunk.length, end - position));
      await readFully(this.handle, piece, position, this.path);
      yield piece;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  private checkSum(name: string, sum: number): void {
    this.checksums ??= parseChecksums(this.header.metadata[CHECKSUMS], this.path);
    if (this.checksums.get(name) !== sum)
      throw new InputError(`${this.path}: tensor "${name}" does not have its checksum; the file is damaged`);
  }

  private checkFinite(name: string, values: Float32Array, offset: number): void {
    if (allFinite(values)) return;
    const i = values.findIndex((value) => !Number.isFinite(value));
    throw new InputError(
      `${this.path}: tensor "${name}" holds ${values[i]} at index ${offset + i}; the weights are damaged or their training diverged`,
    );
  }
}

/** In four strands: most of the time that one entry takes is the loop's own. */
function allFinite(values: Float32Array): boolean {
  const whole = values.length - (values.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  // Times 0 all are 0 but NaN and both infinities, which are NaN.
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! * 0;
    b += values[i + 1]! * 0;
    c += values[i + 2]! * 0;
    d += values[i + 3]! * 0;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! * 0;
  return a + b + c + d === 0;
}

/**
 * The CRC-32 of each tensor, by name, from the metadata of a file that was written with them.
 * @throws InputError if it has none
 */
export function parseChecksums(text: string | undefined, path: string): Map<string, unknown> {
  if (text === undefined) throw new InputError(`${path}: has no checksums`);
  return new Map(Object.entries(parseJsonObject(text, `${path}: checksums`)));
}

/** Fills `target` from byte `position` on, in pieces that one read call can take. */
async function readFully(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
  path: string,
): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(target.length - done, 1 << 30);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) throw new InputError(`${path}: ended early; it was changed while being read`);
    done += bytesRead;
  }
}
