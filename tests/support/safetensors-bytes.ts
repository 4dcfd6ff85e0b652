/** Builds safetensors files byte by byte, right or wrong, without the writer under test. */

/** A file of this header text and data; `length` overrides what the first eight bytes announce. */
export function rawSafetensors(header: unknown, data: Uint8Array, length?: bigint): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

/** The header entry of a tensor. */
export function entry(dtype: string, shape: number[], start: number, end: number): object {
  return { dtype, shape, data_offsets: [start, end] };
}
