/** Attention scores as sums over directions: against the definition, and against the model's own scores. */
import { expect, it } from 'vitest';
import { placeValues } from '../../src/interpret/place-values.js';
import { ScoreSum } from '../../src/interpret/score-sum.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import { capped, referenceForward, referenceScores } from '../support/reference-forward.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

describeOnEngines('a score', (engine) => {
  for (const family of ALL_FAMILIES)
    for (const split of [{ by: 'rotary', offsets: 8 } as const, { by: 'plane', offsets: 8 } as const]) {
      if (split.by === 'plane' && family === 'gpt2') continue;
      it(`is the sum of what its directions add, in ${family} by ${split.by}`, async () => {
        const { apart, reference, prompt } = await takeApart(engine(), folder, family, { split });
        const { architecture } = apart.model;
        const prompts = [prompt(5), prompt(3)];
        for (const component of apart.running.layout.components.filter(({ kind }) => kind === 'qk')) {
          const { layer, name, head, rank } = component;
          const places = ScoreSum.places(layer, architecture);
          const values = await placeValues(apart.running, prompts, places, { positions: 'all', ends: 'all' });
          const directions = (await apart.decomposition.layer(layer)).get(name) ?? null;
          const sum = ScoreSum.from(component, directions, await apart.model.layer(layer), architecture);
          for (const [p, ids] of prompts.entries()) {
            const x = referenceForward(reference, ids).inputs[layer]!;
            const scale = architecture.attentionScale[layer]!;
            // Alone, each direction scores what it adds.
            const alone = Array.from({ length: rank }, (_, k) =>
              referenceScores(
                reference,
                layer,
                head!,
                x,
                Float32Array.from({ length: rank }, (_, i) => Number(i === k)),
              ),
            );
            for (let query = 0; query < ids.length; query++) {
              const { scores, pattern, contributions } = sum.of(values, p, query);
              const some = sum.of(values, p, query, [1]);
              for (let key = 0; key <= query; key++)
                expect(some.contributions[key * rank + 1]).toBe(contributions[key * rank + 1]);
              expect(pattern.reduce((total, weight) => total + weight, 0)).toBeCloseTo(1, 5);
              for (let key = 0; key <= query; key++) {
                const own = contributions.subarray(key * rank, (key + 1) * rank);
                const total = own.reduce((sum, value) => sum + value, 0);
                expect(Math.abs(total - scores[key]!)).toBeLessThan(1e-4);
                const raw = alone.map((rows) => scale * rows[query]![key]!);
                const whole = raw.reduce((sum, value) => sum + value, 0);
                const share = whole === 0 ? 1 : capped(whole, architecture.scoreCap) / whole;
                raw.forEach((value, k) => {
                  expect(Math.abs(own[k]! - share * value)).toBeLessThan(1e-4);
                });
              }
            }
          }
        }
        apart.running.dispose();
      });
    }
});
