/** The ends of a vocabulary: blocks and tiles leave out nothing, and equal values stand in the order of their ids. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type TokenEnds, Vocabulary } from '../../src/interpret/token-ends.js';
import { describeOnEngines } from '../support/engines.js';

const D = 3;

/** From all values, sorted. */
function sortedEnds(values: readonly number[], top: number, offset: number): TokenEnds {
  const order = values.map((value, id) => ({ id, value: value + offset }));
  return {
    highest: [...order].sort((a, b) => b.value - a.value || a.id - b.id).slice(0, top),
    lowest: [...order].sort((a, b) => a.value - b.value || a.id - b.id).slice(0, top),
  };
}

describeOnEngines('a vocabulary', (engine) => {
  it('has the ends of its sorted products, ties and all', async () => {
    const whole = fc.integer({ min: -3, max: 3 });
    await fc.assert(
      fc.asyncProperty(
        // Below a block, whole blocks, a rest behind them, and more than one tile.
        fc.constantFrom(5, 64, 128, 200, 4096, 8300),
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.tuple(whole, whole, whole), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: 1, max: 50 }),
        async (tokens, top, rows, unlisted, spread) => {
          const listed = tokens - unlisted;
          // Small whole numbers: products are exact on every engine.
          const matrix = Float32Array.from(
            { length: D * tokens },
            (_, at) => ((at * 7919) % spread) - spread / 2,
          );
          const vocabulary = new Vocabulary(engine(), matrix, D, tokens, listed);
          const offsets = rows.map((_, row) => row);
          const found = await vocabulary.ends(Float32Array.from(rows.flat()), top, offsets);
          vocabulary.dispose();
          expect(found).toEqual(
            rows.map((row, at) => {
              const values = Array.from({ length: listed }, (_, token) =>
                row.reduce((sum, value, r) => sum + value * matrix[r * tokens + token]!, 0),
              );
              return sortedEnds(values, top, offsets[at]!);
            }),
          );
        },
      ),
      { numRuns: 30 },
    );
  });
});
