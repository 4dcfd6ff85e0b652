import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/formats/float-conversion.js';

const every16Bits = Uint16Array.from({ length: 0x10000 }, (_, i) => i);

function widen(convert: (source: Uint16Array, out: Float32Array) => void, source: Uint16Array): Float32Array {
  const out = new Float32Array(source.length);
  convert(source, out);
  return out;
}

/** The nearest of all finite 16-bit numbers by exhaustive search; of two equally near, the one with an even last bit. */
function nearest(x: number, values: Float32Array, limit: number): number {
  if (Math.abs(x) >= limit) return x < 0 ? -Infinity : Infinity;
  let best = Number.NaN;
  let bestDistance = Infinity;
  for (let bits = 0; bits < values.length; bits++) {
    const distance = Math.abs(values[bits]! - x);
    if (distance < bestDistance || (distance === bestDistance && bits % 2 === 0)) {
      best = values[bits]!;
      bestDistance = distance;
    }
  }
  return best;
}

describe.each([
  // Halfway between the largest finite number and what would follow it.
  { name: 'f16', widenOne: f16ToF32, narrow: f32ToF16, limit: 65520 },
  { name: 'bf16', widenOne: bf16ToF32, narrow: f32ToBf16, limit: 2 ** 128 - 2 ** 119 },
])('$name', ({ widenOne, narrow, limit }) => {
  const values = widen(widenOne, every16Bits);

  it('keeps every number on the way to float32 and back', () => {
    const back = narrow(values);
    for (let bits = 0; bits < 0x10000; bits++)
      if (Number.isNaN(values[bits])) expect(widen(widenOne, back.subarray(bits, bits + 1))[0]).toBeNaN();
      else expect(back[bits]).toBe(bits);
  });

  it('knows its landmarks', () => {
    const one = narrow(Float32Array.of(0, -0, 1, -2, Infinity, -Infinity, Number.NaN));
    expect([...widen(widenOne, one)]).toEqual([0, -0, 1, -2, Infinity, -Infinity, Number.NaN]);
  });

  it('rounds to nearest, ties to even', () => {
    const finite = values.map((value) => (Number.isFinite(value) ? value : Number.NaN));
    const sample = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ noNaN: true, min: -70000, max: 70000 }),
      fc.float({ noNaN: true, min: Math.fround(-1e-4), max: Math.fround(1e-4) }),
      // Exactly between two neighbours, as far as float32 can say so.
      fc
        .integer({ min: 0, max: 0xfffe })
        .map((bits) => Math.fround((values[bits]! + values[bits + 1]!) / 2))
        .filter(Number.isFinite),
    );
    fc.assert(
      fc.property(sample, (x) => {
        const rounded = widen(widenOne, narrow(Float32Array.of(x)))[0]!;
        // Signs of zero aside.
        expect(rounded + 0).toBe(nearest(x, finite, limit) + 0);
      }),
      { numRuns: 400 },
    );
  });

  it('never rounds a NaN to infinity', () => {
    const nans = Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff);
    for (const value of widen(widenOne, narrow(new Float32Array(nans.buffer)))) expect(value).toBeNaN();
  });
});
