/** Roles of QK directions: against their definition, and curves over offsets against scores. */
import { expect, it } from 'vitest';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import type { Direction } from '../../src/interpret/coefficients.js';
import { placeValues } from '../../src/interpret/place-values.js';
import { qkRoles } from '../../src/interpret/qk-roles.js';
import { ScoreSum } from '../../src/interpret/score-sum.js';
import { mannWhitney } from '../../src/statistics/mann-whitney.js';
import { benjaminiHochberg } from '../../src/statistics/multiple-testing.js';
import { mean } from '../../src/statistics/summary.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import { capped, referenceForward, referenceScores } from '../support/reference-forward.js';
import { takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

const softmax = (scores: number[]) => {
  const exponentials = scores.map(Math.exp);
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return exponentials.map((value) => value / total);
};

describeOnEngines('the role of a QK direction', (engine) => {
  for (const family of ['gpt2', 'llama', 'gemma2', 'qwen3'] as const)
    it(`is what its scores say of keys, in ${family}`, async () => {
      const { apart, reference, prompt } = await takeApart(engine(), folder, family);
      const { architecture } = apart.model;
      const pairs = [5, 3, 6, 4].map(
        (length, id): TokenPair => ({
          id: String(id),
          clean: prompt(length),
          corrupted: null,
          answers: new Int32Array(),
          distractors: new Int32Array(),
        }),
      );
      const classes = pairs.map(({ clean }) =>
        Array.from(clean, (_, at) => ['first', 'one', 'two'][Math.min(at, 1 + (at % 2))]!),
      );
      const queries = pairs.map(({ clean }) => [clean.length - 1]);
      const directions = apart.running.layout.components
        .filter(({ kind }) => kind === 'qk')
        .flatMap((component): Direction[] => [0, 2].map((index) => ({ component, index })));
      const roles = await qkRoles(apart, pairs, directions, queries, classes, { atOnce: 8 });
      directions.forEach(({ component: { layer, head, rank }, index }, at) => {
        const scoresOf = (mask: (k: number) => number) =>
          pairs.map(({ clean }) => {
            const x = referenceForward(reference, clean).inputs[layer]!;
            const masks = Float32Array.from({ length: rank }, (_, k) => mask(k));
            return referenceScores(reference, layer, head!, x, masks)
              .at(-1)!
              .map((score) => architecture.attentionScale[layer]! * score);
          });
        const cap = (rows: number[][]) =>
          rows.map((row) => row.map((score) => capped(score, architecture.scoreCap)));
        const [full, alone] = [scoresOf(() => 1), scoresOf((k) => Number(k === index))];
        const without = cap(scoresOf((k) => Number(k !== index)));
        const share = (p: number, key: number) =>
          capped(full[p]![key]!, architecture.scoreCap) / full[p]![key]!;
        const own = alone.map((row, p) => row.map((score, key) => score * share(p, key)));
        const named = (p: number) => [...classes[p]!.slice(0, -1), 'itself'];
        for (const { class: name, score, top, chance, separation, attention } of roles[at]!.classes) {
          const seen = pairs.flatMap((_, p) => (named(p).includes(name) ? [p] : []));
          const over = (holds: boolean) =>
            seen.map((p) => {
              const centre = mean(own[p]!)!;
              return mean(
                own[p]!.flatMap((value, key) => ((named(p)[key] === name) === holds ? [value - centre] : [])),
              )!;
            });
          expect(score.n).toBe(seen.length);
          expect(score.mean).toBeCloseTo(mean(over(true))!, 4);
          expect(top).toBe(
            mean(seen.map((p) => Number(named(p)[own[p]!.indexOf(Math.max(...own[p]!))] === name))),
          );
          expect(chance).toBeCloseTo(
            mean(seen.map((p) => named(p).filter((each) => each === name).length / named(p).length))!,
            8,
          );
          expect(separation!.effect).toBeCloseTo(mannWhitney(over(true), over(false)).effect, 8);
          const attended = (rows: number[][]) =>
            mean(
              seen.map((p) =>
                softmax(rows[p]!).reduce((sum, value, key) => sum + (named(p)[key] === name ? value : 0), 0),
              ),
            )!;
          expect(attention.full).toBeCloseTo(attended(cap(full)), 4);
          expect(attention.alone).toBeCloseTo(attended(own), 4);
          expect(attention.without).toBeCloseTo(attended(without), 4);
        }
        const last = roles[at]!.offsets.find(({ offset }) => offset === 0)!;
        expect(last.n).toBe(pairs.length);
        expect(last.score).toBeCloseTo(mean(own.map((row) => row.at(-1)! - mean(row)!))!, 4);
        const { id, n, score } = roles[at]!.highest[0]!;
        const of = own.flatMap((row, p) =>
          row.flatMap((value, key) => (pairs[p]!.clean[key] === id ? [value - mean(row)!] : [])),
        );
        expect([n, score]).toEqual([of.length, expect.closeTo(mean(of)!, 4)]);
        expect(roles[at]!.curve === null).toBe(architecture.rotary === undefined);
      });
      const tests = roles.flatMap(({ classes }) => classes.map(({ separation }) => separation!));
      expect(tests.map(({ q }) => q)).toEqual(benjaminiHochberg(tests.map(({ p }) => p)));
      apart.running.dispose();
    });

  for (const family of ALL_FAMILIES)
    it(`has a curve that goes through the scores, in ${family}`, async () => {
      const { apart, prompt } = await takeApart(engine(), folder, family);
      const { architecture } = apart.model;
      const prompts = [prompt(6), prompt(4)];
      for (const component of apart.running.layout.components.filter(({ kind }) => kind === 'qk')) {
        const { layer, rank, name } = component;
        const places = ScoreSum.places(layer, architecture);
        const values = await placeValues(apart.running, prompts, places, { positions: 'all', ends: 'all' });
        const own = (await apart.decomposition.layer(layer)).get(name) ?? null;
        const sum = ScoreSum.from(component, own, await apart.model.layer(layer), architecture);
        expect(sum.turns).toBe(architecture.rotary !== undefined);
        if (!sum.turns) continue;
        const { contributions, scores } = sum.of(values, 1, 3);
        for (let key = 0; key <= 3; key++) {
          const row = contributions.subarray(key * rank, (key + 1) * rank);
          const curves = Array.from({ length: rank }, (_, k) =>
            sum.curve(k, sum.coefficients(values, 1, 3), sum.keyBack(values, 1, key), 4),
          );
          const raw = curves.reduce((total, curve) => total + curve[3 - key]!, 0);
          expect(Math.abs(capped(raw, architecture.scoreCap) - scores[key]!)).toBeLessThan(1e-4);
          curves.forEach((curve, k) => {
            expect(Math.abs((curve[3 - key]! * scores[key]!) / raw - row[k]!)).toBeLessThan(1e-4);
          });
        }
      }
      apart.running.dispose();
    });
});
