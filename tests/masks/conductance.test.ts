/** Conductance, against finite differences of the plain float64 forward pass and against what must add up. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { conductance } from '../../src/masks/conductance.js';
import { objective } from '../../src/masks/objective.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { Random } from '../../src/random.js';
import { decomposed } from '../support/decomposed.js';
import { availableEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { project, type ReferenceModel, referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const random = new Random(4);
const prompt = (length: number) => Int32Array.from({ length }, () => random.integer(17));
const pairs = [4, 6].map(
  (length, id): TokenPair => ({
    id: String(id),
    clean: prompt(length),
    corrupted: prompt(length),
    answers: Int32Array.of(id, id + 2),
    distractors: Int32Array.of(15),
  }),
);
const POINTS = 6;

let engine: Engine;
let masked: MaskedModel;
let hidden: MaskedModel;
let reference: ReferenceModel;
beforeAll(async () => {
  engine = await openEngine({ engine: availableEngines()[0]! });
  await writeRandomGpt2(folder, { layers: 1 });
  const model = await openForTest(folder);
  const found = await decomposed(model);
  ({ reference } = found);
  masked = await MaskedModel.load(engine, model, found.decomposition);
  hidden = await MaskedModel.load(engine, model, found.decomposition, { kinds: ['mlp_in', 'mlp_out'] });
});
afterAll(() => {
  masked.dispose();
  hidden.dispose();
});
const prepare = (model: MaskedModel) =>
  PreparedPairs.prepare(model, pairs, { replacement: 'interchange', seed: 0 });

/**
 * The pair's logit difference under masks, in float64.
 * @param passed for one direction of one component what it passes on at the last token, in place of mask and replacement
 */
function scored(
  { clean, corrupted, answers, distractors }: TokenPair,
  share: number,
  passed?: { name: string; k: number; value: number },
) {
  const replaced = referenceForward(reference, corrupted!).coefficients;
  const run = referenceForward(reference, clean, {
    positions: 'last',
    mask: (name) => {
      const masks = new Float64Array(20).fill(share);
      if (passed?.name === name) masks[passed.k] = name.endsWith('qk') ? passed.value : 0;
      return masks as unknown as Float32Array;
    },
    replacement: (name, fromEnd, k) =>
      passed?.name === name && passed.k === k ? passed.value : replaced.get(name)!.at(-1 - fromEnd)![k]!,
  });
  const mean = (ids: Int32Array) => ids.reduce((sum, id) => sum + run.logProbabilities[id]!, 0) / ids.length;
  return { score: mean(answers) - mean(distractors), run, replaced };
}

it('is the slope by what a direction passes on, times how that moves, along the way', async () => {
  const { layout } = masked;
  const scores = await conductance(await prepare(masked), 'logit_diff', POINTS, 512);
  const scale = Math.max(...scores.map(Math.abs));
  for (const component of layout.components) {
    const { name, kind, layer, rank } = component;
    const { u } = reference.directions.get(name)!;
    const { start } = layout.of(component);
    for (const k of [0, rank - 1]) {
      let expected = 0;
      for (const pair of pairs) {
        // In the only layer nothing but the last query counts, so that each direction has one coefficient a prompt.
        const at = (share: number) => {
          const { run, replaced } = scored(pair, share);
          if (kind === 'qk') {
            const own = project([1, ...run.inputs[layer]!.at(-1)!], u, rank)[k]!;
            const side = (by: number) => scored(pair, share, { name, k, value: share + by }).score;
            return { passed: share * own, slope: (side(1e-4) - side(-1e-4)) / 2e-4 / own };
          }
          const [own, other] = [run.coefficients, replaced].map((all) => all.get(name)!.at(-1)![k]!) as [
            number,
            number,
          ];
          const passed = other + share * (own - other);
          const side = (by: number) => scored(pair, share, { name, k, value: passed + by }).score;
          return { passed, slope: (side(1e-4) - side(-1e-4)) / 2e-4 };
        };
        const way = Array.from({ length: POINTS + 1 }, (_, point) => at(point / POINTS));
        for (let point = 0; point < POINTS; point++) {
          const [from, to] = [way[point]!, way[point + 1]!];
          expected += (((from.slope + to.slope) / 2) * (to.passed - from.passed)) / pairs.length;
        }
      }
      // Scores are of the loss, which is minus the logit difference.
      expect(Math.abs(scores[start + k]! + expected), `${name}.${k}`).toBeLessThan(2e-4 * scale);
    }
  }
});

it('adds up to the whole change over directions through which everything passes, unlike integrated gradients', async () => {
  const prepared = await prepare(hidden);
  const { size } = hidden.layout;
  const loss = async (share: number) =>
    (await objective(prepared, [0, 1], new Float32Array(size).fill(share), 'logit_diff', 512)).loss;
  const change = (await loss(1)) - (await loss(0));
  const points = 60;
  const scores = await conductance(prepared, 'logit_diff', points, 512);
  const own = new Float32Array(size);
  for (let point = 0; point < points; point++) {
    const masks = new Float32Array(size).fill((point + 0.5) / points);
    const { gradient } = await objective(prepared, [0, 1], masks, 'logit_diff', 512);
    for (let i = 0; i < size; i++) own[i]! += gradient[i]! / points;
  }
  const { start, length } = hidden.layout.block(0, 'mlp_out')!;
  const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
  const last = (values: Float32Array) => sum(values.subarray(start, start + length));
  expect(last(scores)).toBeCloseTo(change, 3);
  expect(sum(own)).toBeCloseTo(change, 3);
  expect(Math.abs(last(own) - change)).toBeGreaterThan(0.05 * Math.abs(change));
  // The first matrix reads nothing that a mask changes, so all of its conductance is its own.
  expect(sum(scores) - last(scores)).toBeCloseTo(sum(own) - last(own), 3);
});

it('is the same in parts of the pairs, and leaves no tensor behind', async () => {
  const prepared = await prepare(masked);
  const whole = await conductance(prepared, 'kl', 3, 512);
  const { numTensors } = tf.memory();
  const parts = await conductance(prepared, 'kl', 3, 1);
  expect(tf.memory().numTensors).toBe(numTensors);
  whole.forEach((value, i) => expect(parts[i]).toBeCloseTo(value, 5));
});
