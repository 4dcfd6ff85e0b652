import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatByteSize, parseByteSize } from '../../src/formats/byte-size.js';

describe('parseByteSize', () => {
  it.each([
    ['4GB', 4e9],
    ['4 gb', 4e9],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['512MiB', 512 * 2 ** 20],
    ['300mb', 3e8],
    ['64KiB', 65536],
    ['2TB', 2e12],
    ['100B', 100],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes);
  });

  it.each(['4', '4G', '-1GB', '0GB', 'much', '', '4iB', '1e3MB', '4GBs', '99999999TB', 'NaNGB'])(
    'knows no amount "%s"',
    (text) => {
      expect(parseByteSize(text)).toBeNull();
    },
  );
});

describe('formatByteSize', () => {
  it.each([
    [0, '0 B'],
    [812, '812 B'],
    [999.6, '1.00 kB'],
    [71_340_000, '71.3 MB'],
    [999_499_999, '999 MB'],
    [999_500_000, '1.00 GB'],
    [4_024_000_000, '4.02 GB'],
    [3e15, '3000 TB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatByteSize(bytes)).toBe(text);
  });

  it('can be read back to three figures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        const back = parseByteSize(formatByteSize(bytes))!;
        expect(Math.abs(back - bytes)).toBeLessThanOrEqual(0.0051 * bytes);
      }),
    );
  });
});
