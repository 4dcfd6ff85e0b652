/** Messages as bytes: what is sent comes, in whatever pieces, and other bytes are refused and no more. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { FrameError, FrameReader, framed } from '../../src/pool/frames.js';

const bytesOf = (...messages: unknown[]) => Buffer.concat(messages.flatMap(framed));
const read = (bytes: Uint8Array) => [...new FrameReader().read(bytes)];

const MESSAGE = {
  name: 'größe',
  numbers: [0.1, -3, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null, true],
  floats: Float32Array.of(0.1, Number.NaN, 3),
  deep: { doubles: [Float64Array.of(Math.PI)], ids: Int32Array.of(-1, 2, 3), none: new Float32Array(0) },
};

it('keeps text, numbers and arrays', () => {
  expect(read(bytesOf(MESSAGE, 'next', MESSAGE))).toEqual([MESSAGE, 'next', MESSAGE]);
});

it('sends of a larger or a shared buffer only what the array shows', () => {
  const large = new Float32Array(1e5).fill(2);
  const shared = new Float32Array(new SharedArrayBuffer(40)).fill(1.5);
  const bytes = bytesOf({ some: large.subarray(7, 9), other: shared.subarray(1, 2) });
  expect(bytes.length).toBeLessThan(150);
  expect(read(bytes)).toEqual([{ some: Float32Array.of(2, 2), other: Float32Array.of(1.5) }]);
});

it('comes whole in whatever pieces it arrives', () => {
  const bytes = bytesOf(MESSAGE, { second: Int32Array.of(7) });
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      const ends = [...cuts.sort((a, b) => a - b), bytes.length];
      const reader = new FrameReader();
      const found = ends.flatMap((end, at) => [...reader.read(bytes.subarray(ends[at - 1] ?? 0, end))]);
      expect(found).toEqual([MESSAGE, { second: Int32Array.of(7) }]);
    }),
  );
});

it('refuses damaged messages, or understands something else, and never fails otherwise', () => {
  const bytes = bytesOf(MESSAGE);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (changes) => {
        const damaged = Buffer.from(bytes);
        for (const [at, value] of changes) damaged[at] = value;
        try {
          read(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

/** A frame as it should not be. */
function frame(json: string, arrayBytes = 0, announced = arrayBytes): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(Buffer.byteLength(json), 0);
  header.writeUInt32LE(announced, 4);
  return Buffer.concat([header, Buffer.alloc(arrayBytes), Buffer.from(json)]);
}

it.each([
  ['a text of the web', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
  ['no JSON', frame('{')],
  ['nothing', frame('')],
  ['JSON that nests without end', frame('['.repeat(1e6))],
  ['more bytes than any message has', frame('0', 0, 0xffff_fff8)],
  ['an array beyond the end', frame('{"$":"f32","at":0,"length":3}', 8)],
  ['an array at a place between', frame('{"$":"f32","at":4,"length":1}', 8)],
  ['an array of a negative length', frame('{"$":"f64","at":0,"length":-1}', 8)],
  ['an array of a length that is none', frame('{"$":"i32","at":0,"length":"1"}', 8)],
  ['an array of another kind', frame('{"$":"constructor","at":0,"length":1}', 8)],
])('refuses %s', (_, bytes) => {
  expect(() => read(bytes)).toThrow(FrameError);
});

it('takes no memory for what is only announced', () => {
  const before = process.memoryUsage.rss();
  const readers = Array.from({ length: 8 }, () => new FrameReader());
  for (const reader of readers) expect([...reader.read(frame('0', 0, 2 ** 30))]).toEqual([]);
  expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 28);
});

it('says so where a message would be too large', () => {
  const large = { a: new Float32Array(2 ** 28), b: new Float32Array(2 ** 28), c: new Float32Array(2) };
  expect(() => framed(large)).toThrow(InputError);
  expect(() => framed(large)).toThrow(/more than a message holds.*--batch-size/);
});

it('sends no array of a kind that the other side does not know', () => {
  expect(() => framed({ bytes: new Uint8Array(4) })).toThrow('cannot be sent');
});
