/** Methods that rank directions: against finite differences in float64, and on models whose circuit is known. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import {
  attribution,
  conductance,
  greedy,
  headsOf,
  integrated,
  patching,
  type RankedOn,
  randomScores,
  sumsOver,
} from '../../src/evidence/rank-directions.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { FULL_PASSES } from '../../src/forward/passes.js';
import { recovery } from '../../src/planted/recovery.js';
import { Random } from '../../src/random.js';
import { runnerInThisThread } from '../../src/run/mask-runner.js';
import { decomposed } from '../support/decomposed.js';
import { availableEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { openPlanted } from '../support/planted.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { project, type ReferenceModel, referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ engine: availableEngines()[0]! });
});

describe('on a random model', () => {
  let masked: MaskedModel;
  let reference: ReferenceModel;
  let on: RankedOn;
  const random = new Random(4);
  const prompt = (length: number) => Int32Array.from({ length }, () => random.integer(17));
  const pairs = Array.from({ length: 3 }, (_, id): TokenPair => {
    const length = 3 + id;
    return {
      id: String(id),
      clean: prompt(length),
      corrupted: prompt(length),
      answers: Int32Array.of(id, id + 2),
      distractors: Int32Array.of(15),
    };
  });
  beforeAll(async () => {
    await writeRandomGpt2(folder, {});
    const model = await openForTest(folder);
    const found = await decomposed(model);
    ({ reference } = found);
    masked = await MaskedModel.load(engine, model, found.decomposition);
    on = await runnerInThisThread(masked, FULL_PASSES).prepare(pairs, {
      replacement: 'interchange',
      seed: 0,
    });
  });
  afterAll(() => masked.dispose());

  /** Mean logit difference under masks, in float64. */
  function scoreOf(masks: Float64Array): number {
    const views = new Map(
      masked.layout.components.map((component) => {
        const { start, length } = masked.layout.of(component);
        return [component.name, masks.subarray(start, start + length) as unknown as Float32Array];
      }),
    );
    let total = 0;
    for (const { clean, corrupted, answers, distractors } of pairs) {
      const { coefficients } = referenceForward(reference, corrupted!);
      const { logProbabilities: logP } = referenceForward(reference, clean, {
        positions: 'last',
        mask: (name) => views.get(name),
        replacement: (name, fromEnd, k) => {
          const rows = coefficients.get(name)!;
          return rows[rows.length - 1 - fromEnd]![k]!;
        },
      });
      const mean = (ids: Int32Array) => ids.reduce((sum, id) => sum + logP[id]!, 0) / ids.length;
      total += (mean(answers) - mean(distractors)) / pairs.length;
    }
    return total;
  }

  const places = () => new Random(1).sample([...Array(masked.layout.size).keys()], 12);

  it('attribution is the slope of the score with everything kept', async () => {
    const scores = await attribution(on, masked.layout.size, 'logit_diff');
    const scale = Math.max(...scores.map(Math.abs));
    for (const at of places()) {
      const side = (by: number) => {
        const masks = new Float64Array(masked.layout.size).fill(1);
        masks[at]! += by;
        return scoreOf(masks);
      };
      const slope = (side(1e-4) - side(-1e-4)) / 2e-4;
      expect(Math.abs(scores[at]! - slope)).toBeLessThan(1e-3 * scale);
    }
  });

  it('integrated gradients add up to what everything kept has over nothing kept', async () => {
    const size = masked.layout.size;
    const scores = await integrated(on, size, 'logit_diff', 40);
    const total = scores.reduce((sum, score) => sum + score, 0);
    const way = scoreOf(new Float64Array(size).fill(1)) - scoreOf(new Float64Array(size));
    expect(total).toBeCloseTo(way, 3);
    const places = new Random(2).sample([...Array(size).keys()], 4);
    const points = 40;
    for (const at of places) {
      let sum = 0;
      for (let point = 0; point < points; point++) {
        const masks = new Float64Array(size).fill((point + 0.5) / points);
        masks[at]! += 1e-4;
        const above = scoreOf(masks);
        masks[at]! -= 2e-4;
        sum += (above - scoreOf(masks)) / 2e-4 / points;
      }
      expect(scores[at]).toBeCloseTo(sum, 3);
    }
  });

  it('patching is what the score loses, by direction and by head', async () => {
    const size = masked.layout.size;
    const whole = scoreOf(new Float64Array(size).fill(1));
    const heads = headsOf(masked.layout);
    expect(heads.flat().sort((a, b) => a - b)).toEqual([...Array(size).keys()]);
    const groups = [[3], heads[1]!, heads.at(-1)!];
    const losses = await patching(on, size, groups, 'logit_diff');
    for (const [i, group] of groups.entries()) {
      const masks = new Float64Array(size).fill(1);
      for (const at of group) masks[at] = 0;
      expect(losses[i]).toBeCloseTo(whole - scoreOf(masks), 4);
    }
  });

  it('the difference of activation is what a coefficient differs by from what replaces it', async () => {
    const squares = await on.differences();
    for (const component of masked.layout.components) {
      const { name, kind, layer, rank } = component;
      const { start } = masked.layout.of(component);
      const { s, u } = reference.directions.get(name)!;
      // GPT-2's query has a bias, so a row that attention reads is led by a one.
      const coefficients = (ids: Int32Array) => {
        const run = referenceForward(reference, ids);
        return kind === 'qk'
          ? project([1, ...run.inputs[layer]![ids.length - 1]!], u, rank)
          : run.coefficients.get(name)![ids.length - 1]!;
      };
      for (const k of [0, rank - 1]) {
        let sum = 0;
        for (const { clean, corrupted } of pairs) {
          const replaced = kind === 'qk' ? 0 : coefficients(corrupted!)[k]!;
          sum += (s[k]! * (coefficients(clean)[k]! - replaced)) ** 2;
        }
        expect(Math.sqrt(squares[start + k]!), name).toBeCloseTo(Math.sqrt(sum), 3);
      }
    }
  });

  it('greedy pruning ranks every direction once', async () => {
    const scores = await greedy(on, masked.layout.size, 0.6);
    expect([...scores].sort((a, b) => a - b)).toEqual(
      [...Array(masked.layout.size).keys()].map((i) => i + 1),
    );
  });
});

describe('on a planted model', () => {
  it('every method that looks at the task finds the mechanism, chance and σ do not', async () => {
    const planted = await openPlanted(engine, { mechanism: 'copy', seed: 3 }, { prompts: 64 });
    const { masked, truth, prepared } = planted;
    const { layout } = masked;
    const on = await runnerInThisThread(masked, FULL_PASSES).prepare(prepared.pairs, {
      replacement: 'interchange',
      seed: 0,
    });
    const auroc = (scores: ArrayLike<number>) => {
      const sizes = Float32Array.from(scores, Math.abs);
      return recovery(truth, layout.split(new Float32Array(layout.size)), layout.split(sizes)).auroc!;
    };
    const score =
      on.length > 0 && prepared.pairs.every(({ distractors }) => distractors.length > 0)
        ? 'logit_diff'
        : 'cross_entropy';
    expect(auroc(await attribution(on, layout.size, score))).toBeGreaterThan(0.9);
    expect(auroc(await integrated(on, layout.size, score, 6))).toBeGreaterThan(0.9);
    expect(auroc(await conductance(on, score, 6))).toBeGreaterThan(0.9);
    expect(auroc(randomScores(layout.size, 0, 0))).toBeLessThan(0.8);
    expect(auroc(masked.sigma)).toBeLessThan(0.9);
    expect(sumsOver(headsOf(layout), masked.sigma).length).toBe(headsOf(layout).length);
    masked.dispose();
  });
});
