/** What directions do on prompts and how much rests on them: against the definitions and against differences. */
import { expect, it } from 'vitest';
import { scorePrompts } from '../../src/evaluate/prompt-scores.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import type { Direction } from '../../src/interpret/coefficients.js';
import { directionMeans, groupsOf } from '../../src/interpret/direction-means.js';
import { importances } from '../../src/interpret/importance.js';
import { logitSums } from '../../src/interpret/logit-sum.js';
import { embeddingsThroughMlp } from '../../src/interpret/token-stream.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import type { ProgressEvent } from '../../src/progress.js';
import { mean } from '../../src/statistics/summary.js';
import { describeOnEngines } from '../support/engines.js';
import { referenceForward } from '../support/reference-forward.js';
import { type ApartForTest, takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

function pairsOf({ prompt }: ApartForTest): TokenPair[] {
  return [4, 6, 5, 4, 3].map((length, i) => ({
    id: String(i),
    clean: prompt(length),
    corrupted: prompt(length),
    answers: Int32Array.of(3 + (i % 2)),
    distractors: Int32Array.of(4 - (i % 2)),
  }));
}

describeOnEngines('directions on prompts', (engine) => {
  for (const family of ['gpt2', 'gemma3_text'] as const)
    it(`have the means, variances and additions of the definition, in ${family}`, async () => {
      const loaded = await takeApart(engine(), folder, family);
      const { apart, reference } = loaded;
      const pairs = pairsOf(loaded);
      const directions = apart.running.layout.components.map(
        (component): Direction => ({ component, index: component.rank - 1 }),
      );
      const found = await directionMeans(
        apart,
        pairs,
        directions,
        groupsOf(pairs, (id) => `token ${id}`),
      );
      const runs = pairs.map(({ clean }) => referenceForward(reference, clean));
      const { layout, sums } = await logitSums(apart, pairs);
      directions.forEach(({ component, index }, at) => {
        const { groups, varianceShare, adds } = found[at]!;
        expect([...groups.keys()]).toEqual(['token 3', 'token 4']);
        const { s } = reference.directions.get(component.name)!;
        // QK's own y is no part of a run's record.
        if (component.kind !== 'qk') {
          const c = (k: number) =>
            runs.map(({ coefficients }) => s[k]! * coefficients.get(component.name)!.at(-1)![k]!);
          const own = c(index).filter((_, p) => p % 2 === 1);
          expect(groups.get('token 4')!.n).toBe(2);
          expect(groups.get('token 4')!.mean).toBeCloseTo(mean(own)!, 4);
          const variance = (k: number) =>
            c(k).reduce((sum, value) => sum + (value - mean(c(k))!) ** 2, 0) / (pairs.length - 1);
          const total = Array.from({ length: component.rank }, (_, k) => variance(k)).reduce((a, b) => a + b);
          expect(varianceShare).toBeCloseTo(variance(index) / total, 4);
        }
        if (adds)
          expect(adds.mean).toBeCloseTo(
            mean(sums.map(({ directions }) => directions[layout.of(component).start + index]!))!,
            8,
          );
      });
      apart.running.dispose();
    });

  it('matter as much as dropping and adding them shows', async () => {
    const loaded = await takeApart(engine(), folder, 'llama');
    const { running } = loaded.apart;
    const pairs = pairsOf(loaded);
    const prepared = await PreparedPairs.prepare(running, pairs, { replacement: 'interchange', seed: 0 });
    const circuit = Float32Array.from({ length: running.layout.size }, (_, at) => Number(at % 3 > 0));
    const seen: ProgressEvent[] = [];
    const found = await importances(prepared, circuit, { exact: 4, onProgress: (event) => seen.push(event) });
    expect(seen.filter(({ stage }) => stage === 'gradients').at(-1)).toMatchObject({ done: 4, total: 4 });
    expect(seen.at(-1)).toEqual({ stage: 'importance', done: 4, total: 4 });
    const figures = async (change: (masks: Float32Array) => void) => {
      const masks = circuit.slice();
      change(masks);
      const scores = await scorePrompts(prepared, masks);
      return { kl: mean(scores.kl)!, logit: mean(scores.logit_diff)! };
    };
    const whole = await figures(() => {});
    const measured = found.flatMap(({ dropped }, at) => (dropped ? [at] : []));
    expect(measured).toHaveLength(4);
    for (const at of measured) {
      const without = await figures((masks) => {
        masks[at] = 0;
      });
      expect(found[at]!.dropped!.kl).toBeCloseTo(without.kl - whole.kl, 5);
      // A small step towards dropping it does what the estimate says of the whole way.
      const step = 0.02;
      const near = await figures((masks) => {
        masks[at]! -= step;
      });
      const { kl, logit_difference } = found[at]!.dropped_estimate!;
      expect(Math.abs((near.kl - whole.kl) / step - kl)).toBeLessThan(0.02 + 0.1 * Math.abs(kl));
      expect(Math.abs((near.logit - whole.logit) / step - logit_difference!)).toBeLessThan(
        0.02 + 0.1 * Math.abs(logit_difference!),
      );
    }
    expect(
      found.every(({ dropped_estimate }, at) => (dropped_estimate === null) === (circuit[at] === 0)),
    ).toBe(true);
    running.dispose();
  });

  it('read tokens through the first MLP as the model has it', async () => {
    const { apart, reference } = await takeApart(engine(), folder, 'gpt_neox');
    const found = await embeddingsThroughMlp(engine(), apart.model, apart.ends);
    const { dModel: d } = apart.model.architecture;
    for (const token of [0, 5, 16]) {
      // Attention and MLP read the same stream here, so one token alone tells what the MLP adds.
      const { places } = referenceForward(reference, [token]);
      const mlp = (places[0]!.get('mlpOutput') as number[][])[0]!;
      for (let i = 0; i < d; i++)
        expect(found[token * d + i]).toBeCloseTo(apart.ends.embed[token * d + i]! + mlp[i]!, 4);
    }
    apart.running.dispose();
  });
});
