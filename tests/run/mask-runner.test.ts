/** Masks run in this thread and shared out over several: the same figures, every time. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decompose } from '../../src/decompose/decompose.js';
import type { Decomposition } from '../../src/decompose/directions.js';
import { DecompositionStore } from '../../src/decompose/store.js';
import { type EngineName, openEngine } from '../../src/engine/engine.js';
import { SCORES } from '../../src/evaluate/metrics.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskLayout } from '../../src/forward/layout.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import type { Positions, Replacement } from '../../src/forward/masking-rules.js';
import { FULL_PASSES, type Passes } from '../../src/forward/passes.js';
import type { Objective } from '../../src/masks/objective.js';
import { trainMasks } from '../../src/masks/train.js';
import type { Kind } from '../../src/models/components.js';
import type { Model } from '../../src/models/weights.js';
import { openThreads } from '../../src/pool/threads.js';
import { Random } from '../../src/random.js';
import { type MaskRunner, runnerInThisThread } from '../../src/run/mask-runner.js';
import { openParallelRunner, sharesByLength } from '../../src/run/parallel-runner.js';
import { REPLACEMENTS } from '../../src/settings/choices.js';
import { PRESETS, type TrainSettings } from '../../src/settings/train-settings.js';
import { mean } from '../../src/statistics/summary.js';
import { availableEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { SMALL_GPT2, writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const WORKERS = 2;
/** Pasts are kept where threads share them: the one that is alone computes them anew. */
const passes = { train: 12, forward: 20, keepPast: false };
const folder = temporaryFolder();
const random = new Random(5);
const prompt = (length: number) => Int32Array.from({ length }, () => random.integer(SMALL_GPT2.vocabulary));
const pairs = Array.from({ length: 7 }, (_, id): TokenPair => {
  const length = 2 + random.integer(6);
  return {
    id: String(id),
    clean: prompt(length),
    corrupted: prompt(length),
    answers: Int32Array.of(1, 2),
    distractors: Int32Array.of(3),
  };
});

const store = new DecompositionStore(join(folder, 'store'));

/** @param options.kinds all by default */
function inThreads(
  { architecture, form, qkSplit, path }: Model,
  { key }: Decomposition,
  { kinds, positions }: { kinds?: readonly Kind[]; positions: Positions },
  passes: Passes,
): Promise<MaskRunner> {
  const layout = new MaskLayout(architecture, kinds);
  return openParallelRunner({
    model: {
      engine: 'wasm',
      folder: path,
      form,
      qkSplit,
      store: store.folder,
      key,
      kinds: layout.kinds,
      positions,
    },
    masking: { architecture, layout, positions },
    openPool: (file) => openThreads({ file, workers: WORKERS }),
    passes,
  });
}

/** Pairs that are scored by themselves, what replaces their coefficients as it is among all. */
const SOME = [6, 1, 4];

describe.each<{ positions: Positions; kinds: readonly Kind[] }>([
  { positions: 'last', kinds: ['qk', 'ov', 'mlp_in', 'mlp_out'] },
  { positions: 'all', kinds: ['qk', 'ov', 'mlp_in', 'mlp_out'] },
  { positions: 'last', kinds: ['ov', 'mlp_in', 'mlp_out'] },
])('masks of $kinds on $positions positions', ({ positions, kinds }) => {
  let alone: MaskRunner;
  let shared: MaskRunner;
  let masks: Float32Array;

  beforeAll(async () => {
    const path = join(folder, `${positions} ${kinds.length}`);
    await writeRandomGpt2(path);
    const model = await openForTest(path);
    const decomposition = await decompose(model, { store, workers: 1 });
    const engine = await openEngine({ engine: 'wasm' });
    alone = runnerInThisThread(
      await MaskedModel.load(engine, model, decomposition, { positions, kinds }),
      passes,
    );
    shared = await inThreads(model, decomposition, { kinds, positions }, { ...passes, keepPast: true });
    await model.close();
    masks = Float32Array.from({ length: alone.layout.size }, () => random.uniform());
  });
  afterAll(() => Promise.all([alone.close(), shared.close()]));

  const run = async (runner: MaskRunner, replacement: Replacement) => {
    const prepared = await runner.prepare(pairs, { replacement, seed: 1 });
    const objective = await prepared.objective([5, 0, 3, 6, 1], masks, 'cross_entropy');
    return {
      objective,
      kl: await prepared.kl(masks),
      scores: await prepared.score(masks),
      some: await prepared.some(SOME).score(masks),
      against: await prepared.score(
        masks,
        {},
        masks.map((mask) => 1 - mask),
      ),
    };
  };

  it('knows the same singular values', () => {
    expect(shared.sigma).toEqual(alone.sigma);
    expect(shared.workers).toBe(WORKERS);
  });

  for (const replacement of REPLACEMENTS) {
    it(`finds in ${WORKERS} threads what one finds, replaced by ${replacement}`, async () => {
      const [one, two] = [await run(alone, replacement), await run(shared, replacement)];
      expect(two.objective.kl).toBeCloseTo(one.objective.kl, 6);
      expect(two.objective.loss).toBeCloseTo(one.objective.loss, 5);
      expect(one.kl).toBeCloseTo(mean(one.scores.kl)!, 5);
      expect(two.kl).toBeCloseTo(one.kl, 6);
      const largest = Math.max(...one.objective.gradient.map(Math.abs));
      one.objective.gradient.forEach((value, i) => {
        expect(Math.abs(two.objective.gradient[i]! - value)).toBeLessThan(1e-4 * largest);
      });
      for (const name of SCORES)
        for (const scored of ['scores', 'against'] as const)
          one[scored][name].forEach((value, i) => {
            expect(two[scored][name][i], `${scored} ${name}`).toBeCloseTo(value, 4);
          });
      for (const { scores, some } of [one, two])
        for (const name of SCORES)
          SOME.forEach((index, at) => {
            expect(some[name][at], `some ${name}`).toBeCloseTo(scores[name][index]!, 4);
          });
    });

    it(`repeats itself to the last bit, replaced by ${replacement}`, async () => {
      const [first, second] = [await run(shared, replacement), await run(shared, replacement)];
      expect(second).toEqual(first);
    });
  }
});

describe('training', () => {
  const settings: TrainSettings = {
    ...PRESETS.default,
    batchSize: 5,
    steps: 20,
    roundingSteps: 10,
    validateEvery: 5,
  };
  let model: Model;
  let decomposition: Decomposition;
  let plain: Awaited<ReturnType<typeof learn>>;

  beforeAll(async () => {
    const path = join(folder, 'trained');
    await writeRandomGpt2(path);
    model = await openForTest(path);
    decomposition = await decompose(model, { store, workers: 1 });
    plain = await learn(await alone('wasm'));
  });

  const prepare = (runner: MaskRunner) => runner.prepare(pairs, { replacement: 'interchange', seed: 1 });

  /** Trains; keeps what every step and every validation asked for, and the answer. */
  async function learn(runner: MaskRunner) {
    const prepared = await prepare(runner);
    const steps: { indices: readonly number[]; masks: Float32Array; answer: Objective }[] = [];
    const validations: { masks: Float32Array; kl: number }[] = [];
    const { masks, soft } = await trainMasks(
      {
        directions: runner.layout.size,
        pairs: pairs.length,
        evaluate: async (indices, masks) => {
          const answer = await prepared.objective(indices, masks, 'kl');
          // Training changes the gradient in place.
          steps.push({ indices, masks, answer: { ...answer, gradient: answer.gradient.slice() } });
          return answer;
        },
        validate: async (masks) => {
          const kl = await prepared.kl(masks);
          validations.push({ masks, kl });
          return kl;
        },
      },
      settings,
      3,
    );
    await runner.close();
    return { masks, soft, steps, validations };
  }
  const alone = async (engine: EngineName) =>
    runnerInThisThread(
      await MaskedModel.load(await openEngine({ engine }), model, decomposition),
      FULL_PASSES,
    );
  const threaded = () => inThreads(model, decomposition, { positions: 'last' }, FULL_PASSES);

  const runners: [string, () => Promise<MaskRunner>][] = [
    ...availableEngines().map((engine): [string, () => Promise<MaskRunner>] => [engine, () => alone(engine)]),
    [`wasm, ${WORKERS} threads`, threaded],
  ];

  for (const [name, open] of runners)
    it(`learns the same to the last bit in two runs [${name}]`, async () => {
      expect(await learn(await open())).toEqual(await learn(await open()));
    });

  // Trainings of two engines may part: a logit that is 0 but for rounding errors falls on either side of it. So each
  // engine answers what one training asked for, step by step.
  for (const [name, open] of runners)
    it(`answers every step of a training as a plain run on wasm [${name}]`, async () => {
      const { steps, validations } = plain;
      expect(steps.length).toBe(settings.steps! + settings.roundingSteps);
      const runner = await open();
      const prepared = await prepare(runner);
      for (const { indices, masks, answer } of steps) {
        const { kl, gradient } = await prepared.objective(indices, masks, 'kl');
        expect(Math.abs(kl - answer.kl)).toBeLessThan(1e-5);
        const largest = Math.max(...answer.gradient.map(Math.abs));
        const furthest = Math.max(...gradient.map((value, i) => Math.abs(value - answer.gradient[i]!)));
        expect(furthest).toBeLessThan(1e-4 * largest);
      }
      for (const { masks, kl } of validations)
        expect(Math.abs((await prepared.kl(masks)) - kl)).toBeLessThan(1e-5);
      await runner.close();
    });
});

it('refuses a decomposition that is gone', async () => {
  const path = join(folder, 'gone');
  await writeRandomGpt2(path);
  const model = await openForTest(path);
  const layout = new MaskLayout(model.architecture);
  const opening = openParallelRunner({
    model: {
      engine: 'wasm',
      folder: path,
      form: model.form,
      qkSplit: model.qkSplit,
      store: join(folder, 'nothing'),
      key: 'none',
      kinds: layout.kinds,
      positions: 'last',
    },
    masking: { architecture: model.architecture, layout, positions: 'last' },
    openPool: (file) => openThreads({ file, workers: 1 }),
    passes,
  });
  await expect(opening).rejects.toThrow(/layer-000.safetensors: missing or damaged/);
  await model.close();
});

it('cuts prompts into shares of about equal work', () => {
  expect(sharesByLength([3, 1, 2, 4, 2], 2)).toEqual([
    [1, 2, 4],
    [0, 3],
  ]);
  expect(sharesByLength([5], 4)).toEqual([[0]]);
  expect(sharesByLength([2, 2, 2, 2], 2)).toEqual([
    [0, 1],
    [2, 3],
  ]);
});
