/** The logit difference as a sum: against the definition in plain loops, and against the model itself. */
import { expect, it } from 'vitest';
import { headWrites, placesOfHead } from '../../src/interpret/head-sum.js';
import { byComponent, logitSums } from '../../src/interpret/logit-sum.js';
import { placeValues } from '../../src/interpret/place-values.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import { outputRate, type ReferenceModel, referenceForward } from '../support/reference-forward.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const contrast = { answers: [3, 5], distractors: [1] };

const sumOf = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0);

/** What a row that is written at the last token adds to the difference, by the definition: final norm frozen. */
function adds(reference: ReferenceModel, ids: Int32Array, row: readonly number[]): number {
  const { architecture: a, ends } = reference;
  const stream = referenceForward(reference, ids).places.at(-1)!.get('streamAfter') as number[][];
  const last = stream.at(-1)!;
  const centre = (values: readonly number[]) => {
    const mean = a.norm === 'layer' ? sumOf(values) / values.length : 0;
    return values.map((value) => value - mean);
  };
  const rate = 1 / Math.sqrt(sumOf(centre(last).map((value) => value ** 2)) / last.length + a.normEpsilon);
  const product = (values: readonly number[], token: number) =>
    rate * sumOf(centre(values).map((value, i) => value * ends.unembed.weight[i * a.nVocab + token]!));
  const logit = (token: number) => {
    // A cap is frozen at what it made of the token's whole logit.
    const raw = product(last, token) + (ends.unembed.bias?.[token] ?? 0);
    const share = a.logitCap === undefined ? 1 : (a.logitCap * Math.tanh(raw / a.logitCap)) / raw;
    return share * product(row, token);
  };
  const mean = (tokens: number[]) => sumOf(tokens.map(logit)) / tokens.length;
  return mean(contrast.answers) - mean(contrast.distractors);
}

describeOnEngines('a logit difference', (engine) => {
  for (const family of ALL_FAMILIES)
    for (const form of ['reference', 'folded'] as const) {
      if (form === 'folded' && family !== 'gpt2' && family !== 'gpt_neox') continue;
      it(`is the sum of what everything adds, in ${family}, ${form}`, async () => {
        const { apart, reference, prompt } = await takeApart(engine(), folder, family, { form });
        const asked = [5, 3, 6].map((length) => ({ clean: prompt(length), ...contrast }));
        const { layout, sums } = await logitSums(apart, asked, { tokens: 12 });
        for (const [p, { clean }] of asked.entries()) {
          const sum = sums[p]!;
          const { logProbabilities, coefficients, places } = referenceForward(reference, clean);
          const [answers, distractors] = [contrast.answers, contrast.distractors].map(
            (tokens) => sumOf(tokens.map((token) => logProbabilities[token]!)) / tokens.length,
          );
          expect(Math.abs(sum.logitDifference - (answers! - distractors!))).toBeLessThan(1e-4);
          const { embedding, position, bias, directions } = sum;
          expect(
            Math.abs(embedding + position + bias + sumOf(directions) - sum.logitDifference),
          ).toBeLessThan(1e-4);
          expect(sumOf([...byComponent(layout, sum).values()])).toBeCloseTo(sumOf(directions), 8);
          for (const component of layout.components) {
            const { layer, kind, name, rank, cols } = component;
            const { s, vt } = reference.directions.get(name)!;
            const { norms } = reference.layers[layer]!;
            const written = places[layer]!.get(
              kind === 'ov' ? 'attentionWritten' : 'mlpWritten',
            ) as number[][];
            const rate = outputRate(
              written.at(-1)!,
              kind === 'ov' ? norms?.attention : norms?.mlp,
              reference.architecture.normEpsilon,
            );
            for (let k = 0; k < rank; k++) {
              const c = rate * s[k]! * coefficients.get(name)!.at(-1)![k]!;
              const row = Array.from(vt.subarray(k * cols, (k + 1) * cols), (value) => c * value);
              const found = directions[layout.of(component).start + k]!;
              expect(Math.abs(found - adds(reference, clean, row))).toBeLessThan(1e-4);
            }
          }
        }
        apart.running.dispose();
      });
    }

  for (const family of ALL_FAMILIES)
    it(`comes to a head from the tokens that it looks at, in ${family}`, async () => {
      const { apart, reference, prompt } = await takeApart(engine(), folder, family);
      const { architecture } = apart.model;
      const prompts = [prompt(5), prompt(3)];
      const values = await placeValues(apart.running, prompts, [0, 1].flatMap(placesOfHead));
      for (const directions of reference.directions.values()) {
        const { kind, layer, head, name, rank } = directions.component;
        if (kind !== 'ov') continue;
        prompts.forEach((ids, p) => {
          const weights = reference.layers[layer]!;
          const { byKey, bias } = headWrites(directions, weights, architecture, values, p);
          const { coefficients, places } = referenceForward(reference, ids);
          const pattern = (places[layer]!.get('pattern') as number[][][])[head!]!.at(-1)!;
          const own = coefficients.get(name)!.at(-1)!;
          for (let k = 0; k < rank; k++) {
            const total = bias[k]! + sumOf(pattern.map((_, key) => byKey[key * rank + k]!));
            expect(Math.abs(total - directions.s[k]! * own[k]!)).toBeLessThan(1e-4);
          }
        });
      }
      apart.running.dispose();
    });
});
