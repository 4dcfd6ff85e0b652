/** One prompt of two models taken apart: against figures that a NumPy program made (tests/golden/reading). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { logitSums } from '../../src/interpret/logit-sum.js';
import { placeValues } from '../../src/interpret/place-values.js';
import { receptors } from '../../src/interpret/receptors.js';
import { ScoreSum } from '../../src/interpret/score-sum.js';
import { decomposed } from '../support/decomposed.js';
import { describeOnEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';

interface Taken {
  ids: number[];
  answer: number;
  distractor: number;
  logit_difference: number;
  embedding: number;
  position: number;
  bias: number;
  final_scale: number;
  directions: Record<string, number[]>;
  receptors: Record<string, [number, number][][][]>;
  score: { head: string; scores: number[]; parts?: number[][] };
}

const golden = (path: string) => fileURLToPath(new URL(`../golden/${path}`, import.meta.url));
const FIGURES = JSON.parse(readFileSync(golden('reading/reading.json'), 'utf8')) as Record<string, Taken>;

describeOnEngines('a prompt taken apart', (engine) => {
  it.each(Object.entries(FIGURES))(
    'has the golden sums, receptors and scores, in %s',
    async (name, taken) => {
      const model = await openForTest(golden(name));
      const { decomposition } = await decomposed(model);
      const running = await MaskedModel.load(engine(), model, decomposition);
      const apart = { model, decomposition, running, ends: await model.ends() };
      const clean = Int32Array.from(taken.ids);
      const asked = { clean, answers: [taken.answer], distractors: [taken.distractor] };
      const { layout, sums } = await logitSums(apart, [asked]);
      const { logitDifference, embedding, position, bias, finalScale, directions } = sums[0]!;
      const close = (own: number, right: number) => expect(Math.abs(own - right)).toBeLessThan(1e-4);
      close(logitDifference, taken.logit_difference);
      close(embedding, taken.embedding);
      close(position, taken.position);
      close(bias, taken.bias);
      close(finalScale, taken.final_scale);
      expect(layout.components.map((component) => component.name).sort()).toEqual(
        Object.keys(taken.directions).sort(),
      );
      for (const component of layout.components) {
        const { start } = layout.of(component);
        for (const [k, value] of taken.directions[component.name]!.entries())
          close(directions[start + k]!, value);
        const asDirections = taken.receptors[component.name]!.map((_, index) => ({ component, index }));
        for await (const slice of receptors({ ...apart, engine: engine() }, asDirections, { top: 3 }))
          slice.forEach(({ writes }, k) => {
            const own = [writes!.highest, writes!.lowest].map((end) =>
              end.map(({ value }) => Math.abs(value)),
            );
            const ids = [writes!.highest, writes!.lowest].map((end) => end.map(({ id }) => id));
            const right = taken.receptors[component.name]![k]!;
            const flipped = right[0]![0]![0] !== ids[0]![0];
            (flipped ? [right[1]!, right[0]!] : right).forEach((end, side) => {
              expect(ids[side]).toEqual(end.map(([id]) => id));
              end.forEach(([, value], at) => close(own[side]![at]!, value));
            });
          });
      }
      const { head, scores, parts } = taken.score;
      const component = running.layout.components.find((each) => each.name === `${head}.qk`)!;
      const { layer, rank } = component;
      const own = (await decomposition.layer(layer)).get(component.name)!;
      const sum = ScoreSum.from(component, own, await model.layer(layer), model.architecture);
      const places = ScoreSum.places(layer, model.architecture);
      const values = await placeValues(running, [clean], places, { positions: 'all', ends: 'all' });
      const found = sum.of(values, 0, clean.length - 1);
      scores.forEach((score, key) => {
        const row = found.contributions.subarray(key * rank, (key + 1) * rank);
        close(found.scores[key]!, score);
        close(
          row.reduce((total, value) => total + value, 0),
          score,
        );
        if (parts) row.forEach((value, k) => close(value, parts[key]![k]!));
      });
      running.dispose();
    },
  );
});
