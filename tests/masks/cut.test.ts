import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bestCut, MOST_CUTS } from '../../src/masks/cut.js';

const soft = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 400 });
const count = (circuit: Float32Array) => circuit.reduce((sum, mask) => sum + mask, 0);

it('is never worse than the cut at ½, and tells what it found, within its number of runs', () =>
  fc.assert(
    fc.asyncProperty(
      soft,
      fc.infiniteStream(fc.float({ min: 0, max: 1, noNaN: true })),
      async (masks, worths) => {
        const given = Float32Array.from(masks);
        const worth = given.map(() => worths.next().value);
        const value = (circuit: Float32Array) =>
          circuit.reduce((sum, mask, at) => sum + (1 - mask) * worth[at]!, 0) + 0.5 * count(circuit);
        let runs = 0;
        const found = await bestCut(given, async (circuit) => {
          runs++;
          return value(circuit);
        });
        expect(runs).toBeLessThanOrEqual(MOST_CUTS);
        expect(found.at).toBeLessThan(runs);
        const circuit = given.map((mask) => Number(mask > found.threshold));
        expect(count(circuit)).toBe(found.kept);
        expect(value(circuit)).toBe(found.value);
        expect(found.value).toBeLessThanOrEqual(value(given.map((mask) => Number(mask > 0.5))));
        expect(found.threshold).toBeGreaterThan(0);
        expect(found.threshold).toBeLessThan(1);
      },
    ),
  ));

it.each([1, 2, 7, 40, 300, 999])(
  'finds the first %i of a thousand, wherever their masks ended',
  async (needed) => {
    for (const [high, low] of [
      [0.9, 0.1],
      [0.3, 0.02],
      [0.99, 0.7],
    ] as const) {
      // Each mask is its own, so that only one cut is right.
      const given = Float32Array.from({ length: 1000 }, (_, at) => (at < needed ? high : low) - 1e-6 * at);
      const found = await bestCut(
        given,
        async (circuit) => 10 * (needed - count(circuit.subarray(0, needed))) + count(circuit),
      );
      expect(found.kept).toBe(needed);
    }
  },
);

it('keeps nothing where nothing is worth its price, and of equal circuits the smaller one', async () => {
  const given = Float32Array.of(0.9, 0.6, 0.4);
  expect((await bestCut(given, async (circuit) => count(circuit))).kept).toBe(0);
  expect((await bestCut(given, async (circuit) => Number(count(circuit) === 0))).kept).toBe(1);
});
