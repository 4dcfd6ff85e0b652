/** The embedded model taken apart: receptors against plain loops, and sums against what it computes. */
import { beforeAll, expect, it } from 'vitest';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { logitSums } from '../../src/interpret/logit-sum.js';
import { placeValues } from '../../src/interpret/place-values.js';
import { receptors } from '../../src/interpret/receptors.js';
import { ScoreSum } from '../../src/interpret/score-sum.js';
import type { TakenApart } from '../../src/interpret/taken-apart.js';
import type { TokenEnds } from '../../src/interpret/token-ends.js';
import { packageFile } from '../../src/package-file.js';
import { decomposed } from '../support/decomposed.js';
import { describeOnEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';

const TOP = 3;
/** Ids of no meaning: what is checked holds after any prompt. */
const CLEAN = Int32Array.of(7, 41, 12, 130, 41, 9, 77);

const sumOf = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0);
const close = (own: number, right: number) => expect(Math.abs(own - right)).toBeLessThan(1e-4);

describeOnEngines('the embedded model', (engine) => {
  let apart: TakenApart;
  beforeAll(async () => {
    const model = await openForTest(packageFile('models/embedded'));
    const { decomposition } = await decomposed(model);
    const running = await MaskedModel.load(engine(), model, decomposition);
    apart = { model, decomposition, running, ends: await model.ends() };
    return () => running.dispose();
  });

  it('has the receptors of the definition', async () => {
    const { model, running, decomposition, ends } = apart;
    const { dModel: d, nVocab, normEpsilon } = model.architecture;
    const all = running.layout.components.flatMap((component) =>
      Array.from({ length: component.rank }, (_, index) => ({ component, index })),
    );
    const centred = (values: readonly number[]) => values.map((value) => value - sumOf(values) / d);
    const tokens = Array.from({ length: nVocab }, (_, token) => {
      const row = centred([...ends.embed.subarray(token * d, (token + 1) * d)]);
      const rate = 1 / Math.sqrt(sumOf(row.map((value) => value ** 2)) / d + normEpsilon);
      return row.map((value) => value * rate);
    });
    const product = (vector: readonly number[], x: readonly number[]) => {
      const bias = vector.length > d ? vector[0]! : 0;
      return bias + sumOf(x.map((value, i) => value * vector[vector.length - d + i]!));
    };
    const expectEnds = (found: TokenEnds | null, wanted: readonly number[]) => {
      const sorted = wanted.toSorted((a, b) => b - a);
      found!.highest.forEach(({ id, value }, at) => {
        close(value, wanted[id]!);
        close(value, sorted[at]!);
      });
      found!.lowest.forEach(({ id, value }, at) => {
        close(value, wanted[id]!);
        close(value, sorted.at(-1 - at)!);
      });
    };
    let seen = 0;
    for await (const slice of receptors({ ...apart, engine: engine() }, all, { top: TOP }))
      for (const { direction, writes, reads, keys } of slice) {
        const { component, index: k } = direction;
        const { rows, cols, rank, layer, name } = component;
        const { u, s, vt } = (await decomposition.layer(layer)).get(name)!;
        const reader = Array.from({ length: rows }, (_, r) => u[r * rank + k]!);
        const writer = Array.from(vt.subarray(k * cols, (k + 1) * cols), (value) => value * s[k]!);
        if (reads) {
          const wanted = tokens.map((x) => product(reader, x));
          expectEnds(reads, wanted);
        }
        if (keys) {
          const wanted = tokens.map((x) => product(writer, x));
          expectEnds(keys, wanted);
        }
        if (writes) {
          const own = centred(writer);
          const logits = tokens.map((_, token) =>
            sumOf(own.map((value, i) => value * ends.unembed.weight[i * nVocab + token]!)),
          );
          const shared = sumOf(logits) / nVocab;
          expectEnds(
            writes,
            logits.map((logit) => logit - shared),
          );
        }
        seen++;
      }
    expect(seen).toBe(all.length);
  });

  it('is the sum of its parts, in the logits and in every score', async () => {
    const { model, running, decomposition } = apart;
    const { sums } = await logitSums(apart, [{ clean: CLEAN, answers: [3], distractors: [8] }]);
    const { logitDifference, embedding, position, bias, directions } = sums[0]!;
    close(embedding + position + bias + sumOf(directions), logitDifference);
    for (const component of running.layout.components.filter(({ kind }) => kind === 'qk')) {
      const { layer, name, rank } = component;
      const own = (await decomposition.layer(layer)).get(name)!;
      const sum = ScoreSum.from(component, own, await model.layer(layer), model.architecture);
      const places = ScoreSum.places(layer, model.architecture);
      const values = await placeValues(running, [CLEAN], places, { positions: 'all', ends: 'all' });
      const { scores, contributions } = sum.of(values, 0, CLEAN.length - 1);
      expect(scores).toHaveLength(CLEAN.length);
      scores.forEach((score, key) => {
        close(sumOf(contributions.subarray(key * rank, (key + 1) * rank)), score);
      });
    }
  });
});
