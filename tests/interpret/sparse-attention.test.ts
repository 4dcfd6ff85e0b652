/** Sparse attention decomposition: against all subsets of directions, in float64 and plain loops, and on planted heads. */
import { beforeAll, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { fewest, sparseAttention } from '../../src/interpret/sparse-attention.js';
import { Random } from '../../src/random.js';
import { auroc } from '../../src/statistics/retrieval.js';
import { decomposed } from '../support/decomposed.js';
import { availableEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { openPlanted } from '../support/planted.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { project, referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ engine: availableEngines()[0]! });
});

it('takes as few as any set that adds up to the score', () => {
  expect(fewest(Float64Array.of(1, -2, 4, 3), 6)).toEqual([2, 3]);
  expect(fewest(Float64Array.of(1, -2, 4, 3), 4)).toEqual([2]);
  expect(fewest(Float64Array.of(-1, -2), -3)).toEqual([]);
});

it('counts prompts on which a direction is among the fewest that rebuild a score of its head', async () => {
  await writeRandomGpt2(folder, { seed: 5 });
  const model = await openForTest(folder);
  const { decomposition, reference } = await decomposed(model);
  const running = await MaskedModel.load(engine, model, decomposition, { kinds: ['qk'] });
  const random = new Random(2);
  const prompts = Array.from({ length: 6 }, (_, id) =>
    Int32Array.from({ length: 5 + (id % 3) }, () => random.integer(17)),
  );
  const { shares, attended } = await sparseAttention({ model, decomposition, running }, prompts);

  const expected = new Float64Array(running.layout.size);
  let pairs = 0;
  for (const ids of prompts) {
    const { inputs } = referenceForward(reference, ids);
    for (const component of running.layout.components) {
      const { u, s, vt } = reference.directions.get(component.name)!;
      const { rank, cols } = component;
      const rows = inputs[component.layer]!.map((row) => [1, ...row]);
      const chosen = new Set<number>();
      for (let query = 1; query < ids.length; query++) {
        const parts = rows.slice(0, query + 1).map((row) => {
          const key = Array.from({ length: rank }, (_, k) =>
            row.reduce((sum, value, c) => sum + value * vt[k * cols + c]!, 0),
          );
          return project(rows[query]!, u, rank).map((y, k) => (y * s[k]! * key[k]!) / Math.sqrt(6));
        });
        const scores = parts.map((own) => own.reduce((sum, part) => sum + part, 0));
        const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
        const key = scores.findIndex((score) => Math.exp(score) / total > 0.5);
        if (key === -1) continue;
        pairs++;
        if (scores[key]! <= 0) continue;
        // Of all sets that add up to the score, the smallest, and of those the one with the largest sum.
        let best = { size: rank + 1, sum: 0, members: [] as number[] };
        for (let subset = 0; subset < 2 ** rank; subset++) {
          const members = Array.from({ length: rank }, (_, k) => k).filter((k) => subset & (1 << k));
          const sum = members.reduce((all, k) => all + parts[key]![k]!, 0);
          if (sum < scores[key]! * (1 - 1e-5)) continue;
          if (members.length < best.size || (members.length === best.size && sum > best.sum))
            best = { size: members.length, sum, members };
        }
        for (const k of best.members) chosen.add(k);
      }
      for (const k of chosen) expected[running.layout.of(component).start + k]! += 1 / prompts.length;
    }
  }
  expect(attended).toBe(pairs);
  expect(pairs).toBeGreaterThan(20);
  shares.forEach((share, at) => expect(share).toBeCloseTo(expected[at]!, 6));
  running.dispose();
});

it('finds the QK directions of planted heads, but where distractors attend, too, does not tell them apart', async () => {
  const area = async (distractors: { heads?: number; terms?: number }) => {
    const { model, masked, prepared, truth, directions } = await openPlanted(
      engine,
      { mechanism: 'induction', seed: 3, ...distractors },
      { prompts: 24 },
    );
    masked.dispose();
    const decomposition = {
      key: 'in memory',
      computed: 0,
      layer: async (layer: number) =>
        new Map([...directions].filter(([, { component }]) => component.layer === layer)),
    };
    const running = await MaskedModel.load(engine, model, decomposition, { kinds: ['qk'] });
    const prompts = prepared.pairs.map(({ clean }) => clean);
    const { shares, parts } = await sparseAttention({ model, decomposition, running }, prompts);
    const all = (of: 'relevant' | 'irrelevant') =>
      running.layout.components.flatMap(({ name }) => [...truth.get(name)![of]]);
    running.dispose();
    const scores = [...shares].map((share, at) => share + parts[at]! / 1000);
    return auroc(scores, all('relevant'), all('irrelevant'))!;
  };
  const [alone, among] = [await area({ heads: 0, terms: 0 }), await area({})];
  expect(alone).toBeGreaterThan(0.95);
  expect(among).toBeLessThan(alone);
});
