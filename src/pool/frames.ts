/**
 * Messages over a stream of bytes: the bytes of arrays, and behind them JSON that says where each of them stands. Reading one runs nothing, and believes
 * no length before it is checked; whether a message is one that is expected is for its reader to say.
 */
import { InputError } from '../errors.js';
import { formatByteSize } from '../formats/byte-size.js';

/** Bytes of the JSON, and of all arrays together. */
const MOST_JSON = 2 ** 26;
const MOST_BYTES = 2 ** 31;

/** In front of a frame: the lengths of its JSON and of its arrays, in bytes, little-endian. */
const HEADER_BYTES = 8;
/** Every array begins on a multiple of it. */
const ALIGNMENT = 8;

const ARRAYS = { f32: Float32Array, f64: Float64Array, i32: Int32Array } as const;
type Code = keyof typeof ARRAYS;
type Values = InstanceType<(typeof ARRAYS)[Code]>;

/** Key of an object that stands for what JSON lacks. */
const MARK = '$';
const NOT_FINITE: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

/**
 * A message as pieces to be sent one after the other; those of arrays are their own memory. Typed arrays of 32-bit
 * integers and of floats are kept, and so are NaN and infinities; otherwise what JSON keeps.
 * @throws InputError if it is too large
 */
export function framed(message: unknown): Uint8Array[] {
  const arrays: Uint8Array[] = [];
  let bytes = 0;
  const json = Buffer.from(
    JSON.stringify(message, (_, value: unknown) => {
      if (typeof value === 'number' && !Number.isFinite(value)) return { [MARK]: String(value) };
      const code = codeOf(value);
      if (code === null) return value;
      const { buffer, byteOffset, byteLength, length } = value as Values;
      const at = bytes;
      const padding = -byteLength & (ALIGNMENT - 1);
      arrays.push(new Uint8Array(buffer, byteOffset, byteLength), new Uint8Array(padding));
      bytes += byteLength + padding;
      return { [MARK]: code, at, length };
    }),
  );
  if (json.length > MOST_JSON || bytes > MOST_BYTES)
    throw new InputError(
      `prompts of ${formatByteSize(json.length + bytes)} are more than a message holds; take fewer at a time: set a lower --memory or --batch-size`,
    );
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(json.length, 0);
  header.writeUInt32LE(bytes, 4);
  return [header, ...arrays.filter(({ length }) => length > 0), json];
}

function codeOf(value: unknown): Code | null {
  if (!ArrayBuffer.isView(value)) return null;
  for (const [code, kind] of Object.entries(ARRAYS)) if (value instanceof kind) return code as Code;
  throw new Error(`${Object.prototype.toString.call(value)} cannot be sent`);
}

/** Thrown for bytes that are no frames. */
export class FrameError extends Error {}

/** Makes messages of the bytes of a stream, in whatever pieces they come. */
export class FrameReader {
  #header = Buffer.alloc(HEADER_BYTES);
  /** The rest of a frame, once its lengths are known. */
  #body: Buffer<ArrayBuffer> | null = null;
  #jsonBytes = 0;
  /** Bytes of the header or of the rest that are there. */
  #filled = 0;

  /** @throws FrameError if the bytes are no frames: nothing that comes later can be understood then */
  *read(chunk: Uint8Array): Generator<unknown> {
    for (let from = 0; from < chunk.length; ) {
      const into = this.#body ?? this.#header;
      const some = chunk.subarray(from, from + into.length - this.#filled);
      into.set(some, this.#filled);
      this.#filled += some.length;
      from += some.length;
      if (this.#filled < into.length) return;
      this.#filled = 0;
      if (this.#body === null) this.#begin();
      else {
        const body = this.#body;
        this.#body = null;
        yield parsed(body, this.#jsonBytes);
      }
    }
  }

  #begin(): void {
    const [json, bytes] = [this.#header.readUInt32LE(0), this.#header.readUInt32LE(4)];
    if (json === 0 || json > MOST_JSON || bytes > MOST_BYTES || bytes % ALIGNMENT !== 0)
      throw new FrameError(`announces ${json} and ${bytes} bytes`);
    this.#jsonBytes = json;
    // Memory that nobody has written to takes no room: what is announced costs nothing until it comes.
    this.#body = Buffer.from(new ArrayBuffer(bytes + json));
  }
}

function parsed(body: Buffer<ArrayBuffer>, jsonBytes: number): unknown {
  const bytes = body.length - jsonBytes;
  try {
    return JSON.parse(body.toString('utf8', bytes), (_, value: unknown) =>
      isMarked(value) ? unmarked(value, body.buffer, bytes) : value,
    );
  } catch (error) {
    throw new FrameError((error as Error).message);
  }
}

function isMarked(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, MARK);
}

function unmarked(value: Record<string, unknown>, buffer: ArrayBuffer, bytes: number): number | Values {
  const { [MARK]: mark, at, length } = value;
  if (typeof mark === 'string' && Object.hasOwn(NOT_FINITE, mark)) return NOT_FINITE[mark]!;
  if (typeof mark !== 'string' || !Object.hasOwn(ARRAYS, mark)) throw new Error('an unknown mark');
  const kind = ARRAYS[mark as Code];
  const isSize = (size: unknown): size is number => Number.isSafeInteger(size) && (size as number) >= 0;
  if (!isSize(at) || !isSize(length) || at % ALIGNMENT !== 0 || at + length * kind.BYTES_PER_ELEMENT > bytes)
    throw new Error('an array that is not there');
  return new kind(buffer, at, length);
}
