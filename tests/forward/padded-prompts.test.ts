import fc from 'fast-check';
import { expect, it } from 'vitest';
import { batchesByLength } from '../../src/forward/passes.js';

it('puts every prompt in one batch, within the limit, the longest of a batch last', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 200 }),
      (lengths, limit) => {
        const batches = batchesByLength(lengths, limit);
        expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
        for (const batch of batches) {
          const longest = lengths[batch.at(-1)!]!;
          expect(batch.every((index) => lengths[index]! <= longest)).toBe(true);
          if (batch.length > 1) expect(batch.length * longest).toBeLessThanOrEqual(limit);
        }
      },
    ),
  );
});
