import fc from 'fast-check';
import { expect, it } from 'vitest';
import { familiesOf, familyOf, promptAttributions } from '../../src/evidence/prompt-families.js';
import { Random } from '../../src/random.js';

/** Prompts of some kinds, each resting on directions of its own, some ten times as strongly as others. */
function planted(kinds: number, prompts: number, seed: number) {
  const random = new Random(seed);
  const width = 4 * kinds;
  const truth = Array.from({ length: prompts }, (_, i) => i % kinds);
  const attributions = truth.map((kind) => {
    const strength = 1 + 9 * random.uniform();
    return Float32Array.from(
      { length: width },
      (_, at) => strength * (Number(Math.floor(at / 4) === kind) + 0.2 * random.normal()),
    );
  });
  return { truth, attributions };
}

it('finds as many families as there are, whatever the strength of prompts, and puts others into them', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 5 }), fc.integer(), (kinds, seed) => {
      const { truth, attributions } = planted(kinds, 12 * kinds, seed);
      const found = familiesOf(attributions, null);
      expect(found.labels).toEqual(truth);
      expect(familiesOf(attributions, 2).centres).toHaveLength(2);
      const others = planted(kinds, 2 * kinds, seed + 1);
      expect(others.attributions.map((own) => familyOf(own, found.centres))).toEqual(others.truth);
    }),
    { numRuns: 20 },
  );
});

it('asks for the slope of one prompt after the other, with everything kept', async () => {
  const asked: (readonly number[])[] = [];
  const found = await promptAttributions(
    {
      length: 3,
      objective: async (indices, masks, loss) => {
        asked.push(indices);
        expect([...masks, loss]).toEqual([1, 1, 'logit_diff']);
        return { kl: 0, loss: 0, gradient: Float32Array.of(indices[0]!, -1) };
      },
    },
    2,
    'logit_diff',
    'attribute',
  );
  expect(asked).toEqual([[0], [1], [2]]);
  // What lowers the loss raises the score.
  expect(found.map((each) => [...each])).toEqual([
    [-0, 1],
    [-1, 1],
    [-2, 1],
  ]);
});
