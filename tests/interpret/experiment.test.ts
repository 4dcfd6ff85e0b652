/** Interventions with controls: against sums, against masks, and where nothing may change. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { scorePrompts } from '../../src/evaluate/prompt-scores.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import type { Change } from '../../src/interpret/change.js';
import { type Direction, readCoefficients } from '../../src/interpret/coefficients.js';
import { type Experiment, runExperiment } from '../../src/interpret/experiment.js';
import { logitSums } from '../../src/interpret/logit-sum.js';
import type { TakenApart } from '../../src/interpret/taken-apart.js';
import { tokensOf } from '../../src/interpret/token-choice.js';
import { isHead } from '../../src/models/components.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES } from '../support/family-model.js';
import { type ApartForTest, takeApart } from '../support/taken-apart.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

function pairsOf({ prompt }: ApartForTest, lengths: readonly number[]): TokenPair[] {
  return lengths.map((length, i) => ({
    id: String(i),
    clean: prompt(length),
    corrupted: prompt(length),
    answers: Int32Array.of(3 + (i % 2)),
    distractors: Int32Array.of(4 - (i % 2)),
  }));
}

function directionsOf({ running }: TakenApart, holds: (direction: Direction) => boolean): Direction[] {
  return running.layout.components.flatMap((component) =>
    Array.from({ length: component.rank }, (_, index) => ({ component, index })).filter(holds),
  );
}

function experimentOf(pairs: TokenPair[], chosen: Direction[], change: Change): Experiment {
  return {
    pairs,
    tokens: pairs.map(({ clean }) => tokensOf('last', clean, '')),
    choose: (pair, prompt) => [pair[prompt]!.length - 1],
    estimation: pairs,
    chosen,
    excluded: new Set(),
    change,
    scales: [1],
    draws: 2,
    seed: 0,
    unrelated: [],
  };
}

describeOnEngines('an experiment', (engine) => {
  for (const family of ALL_FAMILIES)
    it(`changes what directions write by its direct way as sums say, in ${family}`, async () => {
      const loaded = await takeApart(engine(), folder, family);
      const { apart } = loaded;
      if (apart.model.architecture.logitCap !== undefined) return;
      const pairs = pairsOf(loaded, [4, 6, 4]);
      const { layout, sums } = await logitSums(apart, pairs);
      const chosen = directionsOf(apart, ({ component, index }) =>
        component.kind === 'ov' ? index === 1 : component.kind === layout.kinds.at(-1) && index === 2,
      );
      const experiment = experimentOf(pairs, chosen, { kind: 'scale', value: 0 });
      const { before, after } = await runExperiment(apart, { ...experiment, scales: [0, 3] });
      for (const { set, way, scale, outcome } of after) {
        if (set !== 'chosen' || way !== 'direct') continue;
        pairs.forEach((_, p) => {
          const added = chosen.reduce(
            (sum, { component, index }) => sum + sums[p]!.directions[layout.of(component).start + index]!,
            0,
          );
          const change = outcome.logitDifference[p]! - before.logitDifference[p]!;
          expect(Math.abs(change - (scale - 1) * added)).toBeLessThan(2e-4);
        });
      }
      apart.running.dispose();
    });

  it('changes nothing where coefficients become what they are', async () => {
    for (const family of ['gpt2', 'gemma3_text', 'gpt_neox'] as const) {
      const loaded = await takeApart(engine(), folder, family);
      const pairs = pairsOf(loaded, [4, 5]);
      const same = pairs.map((pair) => ({ ...pair, corrupted: pair.clean }));
      const chosen = directionsOf(loaded.apart, ({ index }) => index < 3);
      for (const change of [
        { kind: 'corrupted', value: 0 },
        { kind: 'scale', value: 0 },
        { kind: 'add', value: 0 },
      ] as const) {
        const { before, after } = await runExperiment(loaded.apart, experimentOf(same, chosen, change));
        for (const { outcome, set } of after.filter(({ set }) => set !== 'outside'))
          pairs.forEach((_, p) => {
            expect(outcome.kl[p], set).toBeLessThan(1e-5);
            expect(outcome.logitDifference[p]!).toBeCloseTo(before.logitDifference[p]!, 3);
          });
      }
      loaded.apart.running.dispose();
    }
  });

  it('is the masked run at m = 0 where every direction becomes the corrupted run’s', async () => {
    for (const family of ['gpt2', 'llama', 'gemma3_text'] as const) {
      const loaded = await takeApart(engine(), folder, family, { kinds: (kind) => kind !== 'qk' });
      const { running } = loaded.apart;
      const pairs = pairsOf(loaded, [4, 6]);
      const every = directionsOf(loaded.apart, () => true);
      const experiment = experimentOf(pairs, every, { kind: 'corrupted', value: 0 });
      const { after } = await runExperiment(loaded.apart, { ...experiment, draws: 0 });
      const prepared = await PreparedPairs.prepare(running, pairs, { replacement: 'interchange', seed: 0 });
      const masked = await scorePrompts(prepared, new Float32Array(running.layout.size));
      pairs.forEach((_, p) => {
        expect(after[0]!.outcome.kl[p]).toBeCloseTo(masked.kl[p]!, 3);
        expect(after[0]!.outcome.logitDifference[p]).toBeCloseTo(masked.logit_diff[p]!, 3);
      });
      running.dispose();
    }
  });

  it('writes as much in random directions as in those that are chosen', async () => {
    const loaded = await takeApart(engine(), folder, 'llama');
    const { apart } = loaded;
    const pairs = pairsOf(loaded, [5, 3]);
    const [component] = apart.running.layout.components.filter(
      (component) => isHead(component) && component.kind === 'ov' && component.layer === 0,
    );
    const chosen = [1, 2].map((index) => ({ component: component!, index }));
    const every = Array.from({ length: component!.rank }, (_, index) => ({ component: component!, index }));
    const experiment = experimentOf(pairs, chosen, { kind: 'corrupted', value: 0 });
    const prompts = pairs.map(({ clean }) => clean);
    const own = await readCoefficients(apart.running, prompts, every, experiment.tokens);
    const corrupted = await readCoefficients(
      apart.running,
      pairs.map(({ corrupted }) => corrupted!),
      every,
      experiment.tokens,
    );
    const seen: { norm: number; prompt: number }[] = [];
    // What each pass leaves of the coefficients, whose v_k have length one.
    const run = apart.running.run.bind(apart.running);
    apart.running.run = (prompts, options = {}, signal) => {
      const read = (value: tf.Tensor) => {
        const rows = (value as tf.Tensor2D).arraySync();
        const count = rows.length / prompts.length;
        prompts.forEach((_, at) => {
          const row = rows[(at + 1) * count - 1]!;
          const prompt = pairs.findIndex(({ clean }) => clean === prompts[at]);
          const difference = row.slice(0, component!.rank).map((value, k) => value - own[prompt]![k]!);
          if (prompt >= 0) seen.push({ prompt, norm: Math.hypot(...difference) });
        });
      };
      const blocks = [...(options.hooks?.blocks ?? [])];
      const hook = blocks[0]?.['ov.coefficients'];
      if (!hook?.replace || options.hooks?.final) return run(prompts, options, signal);
      blocks[0] = {
        ...blocks[0],
        'ov.coefficients': {
          replace: (value) =>
            tf.tidy(() => {
              const out = hook.replace!(value);
              read(out);
              return out;
            }),
        },
      };
      return run(prompts, { ...options, hooks: { ...options.hooks, blocks } }, signal);
    };
    await runExperiment(apart, { ...experiment, draws: 3 });
    // The chosen ones once, random ones three times; those outside differ.
    pairs.forEach((_, p) => {
      const wanted = Math.hypot(...[1, 2].map((k) => corrupted[p]![k]! - own[p]![k]!));
      const norms = seen.filter(({ prompt }) => prompt === p).map(({ norm }) => norm);
      expect(norms.filter((norm) => Math.abs(norm - wanted) < 1e-4)).toHaveLength(4);
    });
    apart.running.dispose();
  });
});
