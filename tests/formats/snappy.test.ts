/** Packed bytes against the Parquet writer's own packing, byte for byte, and unpacked again by the reader's. */
import fc from 'fast-check';
import { decompressSnappy } from 'hyparquet-compressors';
import { snappyCompress as reference } from 'hyparquet-writer/src/snappy.js';
import { describe, expect, it } from 'vitest';
import { snappyCompress } from '../../src/formats/snappy.js';
import { Random } from '../../src/random.js';

/** Bytes of few kinds, so that much repeats, in runs and from further back. */
const repeating = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40, max: 3 }), fc.integer({ min: 1, max: 60 })), {
    maxLength: 60,
  })
  .map((parts) =>
    Uint8Array.from(
      parts.flatMap(([part, times]) =>
        Array(times)
          .fill([...part])
          .flat(),
      ),
    ),
  );

function check(input: Uint8Array): void {
  const packed = snappyCompress(input);
  expect(Buffer.compare(packed, reference(input))).toBe(0);
  if (input.length > 0) expect(Buffer.compare(decompressSnappy(packed, input.length), input)).toBe(0);
}

describe('packing as Snappy does', () => {
  it('gives the bytes that the reference gives', () => {
    fc.assert(fc.property(fc.oneof(repeating, fc.uint8Array({ maxLength: 300 })), check));
  });

  it('does so where matches are long or far away, steps wide, and literals longer than any short length', () => {
    const random = new Random(1);
    const noise = (length: number) => Uint8Array.from({ length }, () => random.integer(256));
    const block = noise(70_000);
    check(new Uint8Array(100_000));
    check(block);
    // Nearer than a copy reaches, and further.
    for (const gap of [0, 60_000, 65_535 - 5000, 65_536 - 5000, 80_000])
      check(Buffer.concat([block.subarray(0, 5000), noise(gap), block.subarray(0, 5000)]));
  });

  it('takes every length at the edge of what is searched, and pieces of larger arrays', () => {
    const text = new TextEncoder().encode('abcabcabcabcabcabcabcabcabc');
    for (let length = 0; length <= text.length; length++) check(text.subarray(0, length));
    for (let from = 0; from < 9; from++) check(text.subarray(from));
  });
});
