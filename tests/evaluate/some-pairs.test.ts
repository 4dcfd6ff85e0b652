import fc from 'fast-check';
import { expect, it } from 'vitest';
import { evenly, oneOfEachPart } from '../../src/evaluate/some-pairs.js';
import { Random } from '../../src/random.js';

const sizes = fc
  .tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 400 }), fc.integer())
  .map(([one, other, seed]) => ({ length: Math.max(one, other), most: Math.min(one, other), seed }));

it('takes one index of each equal part, whatever the sizes', () => {
  fc.assert(
    fc.property(sizes, ({ length, most, seed }) => {
      const chosen = oneOfEachPart(length, most, new Random(seed));
      expect(chosen).toHaveLength(most);
      chosen.forEach((index, part) => {
        expect(index).toBeGreaterThanOrEqual(Math.floor((part * length) / most));
        expect(index).toBeLessThan(Math.floor(((part + 1) * length) / most));
      });
      if (most === length) expect(chosen).toEqual(Array.from({ length }, (_, index) => index));
    }),
  );
});

it('meets every turn of a list whose items take turns, where equal distances meet one alone', () => {
  const turns = Array.from({ length: 1000 }, (_, index) => index % 5);
  expect(new Set(evenly(turns, 200)).size).toBe(1);
  const counts = new Map<number, number>();
  for (const index of oneOfEachPart(1000, 200, new Random(0)))
    counts.set(turns[index]!, (counts.get(turns[index]!) ?? 0) + 1);
  expect(counts.size).toBe(5);
  for (const count of counts.values()) expect(count).toBeGreaterThan(20);
});
