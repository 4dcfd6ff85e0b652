/** Masks run in this thread and shared out over several: the same figures, every time. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SVD_BASIS } from '../../src/decompose/basis.js';
import { decompose } from '../../src/decompose/decompose.js';
import { DecompositionStore } from '../../src/decompose/store.js';
import { openEngine } from '../../src/engine/engine.js';
import { SCORES } from '../../src/evaluate/prompt-scores.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskLayout } from '../../src/masks/layout.js';
import { MaskedModel, type Positions } from '../../src/masks/masked-model.js';
import { REPLACEMENTS, type Replacement } from '../../src/masks/prepared-pairs.js';
import { openModel } from '../../src/models/open-model.js';
import { Random } from '../../src/random.js';
import { type MaskRunner, runnerInThisThread } from '../../src/run/mask-runner.js';
import { openThreadedRunner, sharesByLength } from '../../src/run/threaded-runner.js';
import { temporaryFolder } from '../formats/temporary-folder.js';
import { SMALL_GPT2, writeRandomGpt2 } from '../support/random-gpt2.js';

const WORKERS = 2;
const passes = { train: 12, forward: 20 };
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

describe.each(['last', 'all'] as const)('masks on %s positions', (positions: Positions) => {
  let alone: MaskRunner;
  let shared: MaskRunner;
  let masks: Float32Array;

  beforeAll(async () => {
    const path = join(folder, positions);
    await writeRandomGpt2(path);
    const model = await openModel(path);
    const { architecture, form, qkSplit } = model;
    const store = new DecompositionStore(join(folder, 'store'));
    const decomposition = await decompose(model, { store, workers: 1 });
    const engine = await openEngine({ engine: 'wasm' });
    alone = runnerInThisThread(await MaskedModel.load(engine, model, decomposition, { positions }), passes);
    const layout = new MaskLayout(architecture);
    const { key } = decomposition;
    const { kinds } = layout;
    shared = await openThreadedRunner({
      model: {
        engine: 'wasm',
        folder: path,
        form,
        qkSplit,
        store: store.folder,
        key,
        basis: SVD_BASIS,
        kinds,
        positions,
      },
      masking: { architecture, layout, positions },
      workers: WORKERS,
      passes,
    });
    await model.close();
    masks = Float32Array.from({ length: layout.size }, () => random.uniform());
  });
  afterAll(() => Promise.all([alone.close(), shared.close()]));

  const run = async (runner: MaskRunner, replacement: Replacement) => {
    const prepared = await runner.prepare(pairs, { replacement, seed: 1 });
    const objective = await prepared.objective([5, 0, 3, 6, 1], masks, 'cross_entropy');
    return { objective, scores: await prepared.score(masks) };
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
      const largest = Math.max(...one.objective.gradient.map(Math.abs));
      one.objective.gradient.forEach((value, i) => {
        expect(Math.abs(two.objective.gradient[i]! - value)).toBeLessThan(1e-4 * largest);
      });
      for (const name of SCORES)
        one.scores[name].forEach((value, i) => {
          expect(two.scores[name][i], name).toBeCloseTo(value, 4);
        });
    });

    it(`repeats itself to the last bit, replaced by ${replacement}`, async () => {
      const [first, second] = [await run(shared, replacement), await run(shared, replacement)];
      expect(second).toEqual(first);
    });
  }
});

it('refuses a decomposition that is gone', async () => {
  const path = join(folder, 'gone');
  await writeRandomGpt2(path);
  const model = await openModel(path);
  const layout = new MaskLayout(model.architecture);
  const opening = openThreadedRunner({
    model: {
      engine: 'wasm',
      folder: path,
      form: model.form,
      qkSplit: model.qkSplit,
      store: join(folder, 'nothing'),
      key: 'none',
      basis: SVD_BASIS,
      kinds: layout.kinds,
      positions: 'last',
    },
    masking: { architecture: model.architecture, layout, positions: 'last' },
    workers: 1,
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
