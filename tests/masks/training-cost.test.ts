/** What is counted before against the products that an engine does. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, it } from 'vitest';
import { openEngine } from '../../src/engine/engine.js';
import { ONE_PASS } from '../../src/engine/ops/one-pass.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import type { Positions } from '../../src/forward/masking-rules.js';
import { FULL_PASSES } from '../../src/forward/passes.js';
import { savedPositions } from '../../src/forward/shared-prefix.js';
import { objective } from '../../src/masks/objective.js';
import { totalKl } from '../../src/masks/total-kl.js';
import { trainingFlops } from '../../src/masks/training-cost.js';
import { type Kind, kindsOf } from '../../src/models/components.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { Random } from '../../src/random.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomFamily } from '../support/random-family.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const VOCABULARY = 400;
const [PAIRS, TOKENS] = [6, 12];
const engine = await openEngine({ engine: 'wasm' });
// Composed, so that all that is multiplied is multiplied by products that can be counted.
for (const name of Object.keys(ONE_PASS)) if (tf.getKernel(name, 'wasm')) tf.unregisterKernel(name, 'wasm');
const folder = join(temporaryFolder(), 'model');
// Wide beside its heads, so that what attention multiplies besides its matrices is little, as in real models.
await writeRandomFamily(folder, {
  family: 'llama',
  layers: 3,
  kvHeads: 2,
  group: 2,
  planes: 4,
  dModel: 96,
  dMlp: 256,
  vocabulary: VOCABULARY,
  biased: false,
  seed: 3,
});
const opened = await openForTest(folder);
const { decomposition } = await decomposed(opened);
const random = new Random(7);
const prompt = () => Int32Array.from({ length: TOKENS }, () => random.integer(VOCABULARY));
const pairs = Array.from({ length: PAIRS }, (_, id): TokenPair => {
  const [answers, distractors] = [Int32Array.of(1), Int32Array.of(2)];
  return { id: String(id), clean: prompt(), corrupted: prompt(), answers, distractors };
});
const beginning = prompt().subarray(0, 7);
const alike = (ids: Int32Array) => Int32Array.from([...beginning, ...ids.subarray(beginning.length)]);

interface Counted {
  title: string;
  kinds: (kind: Kind) => boolean;
  positions: Positions;
  keepPast: boolean;
  /** Whether prompts begin alike. */
  common?: boolean;
}

describe.each<Counted>([
  { title: 'all kinds at the last position', kinds: () => true, positions: 'last', keepPast: false },
  { title: 'all kinds at all positions', kinds: () => true, positions: 'all', keepPast: false },
  { title: 'a fixed past, kept', kinds: (kind) => kind !== 'qk', positions: 'last', keepPast: true },
  { title: 'a fixed past, anew', kinds: (kind) => kind !== 'qk', positions: 'last', keepPast: false },
  {
    title: 'all kinds, prompts that begin alike',
    kinds: () => true,
    positions: 'last',
    keepPast: false,
    common: true,
  },
])('of masks of $title', ({ kinds, positions, keepPast, common = false }) => {
  const models: MaskedModel[] = [];
  afterAll(() => {
    for (const model of models) model.dispose();
  });

  it('are what is multiplied', async () => {
    const masked = kindsOf(opened.architecture).filter(kinds);
    const model = await MaskedModel.load(engine, opened, decomposition, {
      kinds: masked,
      positions,
      least: 1,
    });
    const given = common
      ? pairs.map((pair) => ({ ...pair, clean: alike(pair.clean), corrupted: alike(pair.corrupted!) }))
      : pairs;
    models.push(model);
    const how = { replacement: 'interchange', seed: 0, keepPast } as const;
    const prepare = () => PreparedPairs.prepare(model, given, how);
    const prepared = await prepare();
    const masks = new Float32Array(model.layout.size).fill(0.5);
    const all = pairs.map((_, index) => index);
    const found = {
      prepare: await multiplied(prepare),
      forward: await multiplied(() => totalKl(prepared, masks)),
      step: await multiplied(() => objective(prepared, all, masks, 'kl', FULL_PASSES.train)),
    };
    const prompts = given.map(({ clean }) => clean);
    const saved = savedPositions(prompts, FULL_PASSES.train, 1);
    expect(saved).toBe(common ? beginning.length * (PAIRS - 1) : 0);
    const counted = trainingFlops(model, PAIRS * TOKENS - saved, PAIRS, { keepPast });
    for (const what of ['prepare', 'forward', 'step'] as const) {
      // What heads do among themselves is left out.
      expect(counted[what] / found[what], what).toBeGreaterThan(0.93);
      expect(counted[what] / found[what], what).toBeLessThan(1.01);
    }
  });
});

/** Operations of all matrix products meanwhile. */
async function multiplied(work: () => Promise<unknown>): Promise<number> {
  const { kernels } = await tf.profile(work as never);
  return kernels
    .filter(({ name }) => name === 'BatchMatMul' || name === '_FusedMatMul')
    .reduce((sum, { inputShapes, outputShapes }) => {
      const [a] = inputShapes as number[][];
      const [out] = outputShapes as number[][];
      return sum + 2 * a!.reduce((x, y) => x * y, 1) * out!.at(-1)!;
    }, 0);
}
