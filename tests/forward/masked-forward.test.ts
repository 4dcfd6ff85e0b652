/** The masked forward pass and its gradients against the definitions in float64, for random models, masks and settings. */

import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Basis, SVD_BASIS } from '../../src/decompose/basis.js';
import type { Engine } from '../../src/engine/engine.js';
import { scoreEach, scorePrompts } from '../../src/evaluate/prompt-scores.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskedModel, type MaskedPassOptions } from '../../src/forward/masked-model.js';
import type { Positions, Replacement } from '../../src/forward/masking-rules.js';
import { Written } from '../../src/forward/narrow.js';
import { sharedTokens } from '../../src/forward/shared-prefix.js';
import { objective } from '../../src/masks/objective.js';
import { kindsOf } from '../../src/models/components.js';
import { DEFAULT_SPLIT, type QkSplit } from '../../src/models/qk-split.js';
import type { WeightForm } from '../../src/models/weights.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { Random } from '../../src/random.js';
import { BASES, REPLACEMENTS } from '../../src/settings/choices.js';
import { mean } from '../../src/statistics/summary.js';
import { type Decomposed, decomposed } from '../support/decomposed.js';
import { describeOnEngines } from '../support/engines.js';
import { openForTest } from '../support/open-model.js';
import { ROTARY_FAMILIES, type RotaryFamily, writeRandomFamily } from '../support/random-family.js';
import { SMALL_GPT2, writeRandomGpt2 } from '../support/random-gpt2.js';
import { type ReferenceMasking, referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Of every family's kinds, QK comes first. */
const WITHOUT_QK = [false, true, true, true, true];

/** Positions saved: on models as small as these it is never worth it. */
const LEAST = 1;

const folder = temporaryFolder();
let models = 0;

interface Setting extends Basis {
  family: 'gpt2' | RotaryFamily;
  layers: number;
  heads: number;
  /** Query heads a key head, where heads can be grouped. */
  group: number;
  dHead: number;
  dMlp: number;
  activation: string;
  tied: boolean;
  form: WeightForm;
  split: QkSplit;
  /** Which of the family's kinds are masked, in their order. */
  masked: boolean[];
  positions: Positions;
  replacement: Replacement;
  /** Whether pasts are kept from the preparation, where no mask reaches them, or computed anew. */
  keepPast: boolean;
  /** Tokens that all clean prompts begin with. */
  beginning: number;
  seed: number;
}

const setting: fc.Arbitrary<Setting> = fc.record({
  family: fc.constantFrom('gpt2', 'gpt2', ...ROTARY_FAMILIES),
  layers: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 2 }),
  dHead: fc.integer({ min: 1, max: 7 }),
  dMlp: fc.integer({ min: 1, max: 24 }),
  activation: fc.constantFrom('gelu_new', 'gelu', 'relu'),
  tied: fc.boolean(),
  form: fc.constantFrom('reference', 'folded'),
  split: fc.constantFrom<QkSplit>(
    { by: 'rotary', offsets: 1 },
    { by: 'rotary', offsets: 64 },
    { by: 'plane', offsets: 64 },
  ),
  basis: fc.constantFrom(...BASES),
  basisSeed: fc.integer({ min: 0, max: 9 }),
  basisFile: fc.constant(null),
  masked: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  positions: fc.constantFrom('last', 'all'),
  replacement: fc.constantFrom(...REPLACEMENTS),
  keepPast: fc.boolean(),
  beginning: fc.constantFrom(0, 0, 8, 11),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

const GRADIENT_SETTING: Setting = {
  family: 'gpt2',
  layers: 2,
  heads: 2,
  group: 2,
  dHead: 4,
  dMlp: 12,
  activation: 'gelu_new',
  tied: true,
  form: 'reference',
  split: DEFAULT_SPLIT,
  masked: [true, true, true, true, true],
  positions: 'last',
  replacement: 'interchange',
  keepPast: true,
  beginning: 0,
  ...SVD_BASIS,
  seed: 5,
};

/** A LayerNorm over one or two numbers gives ±1 or 0 whatever they are: no test of anything. */
const wideEnough = setting.filter(({ heads, dHead }) => heads * dHead > 2);

interface Case extends Decomposed {
  masked: MaskedModel;
  prepared: PreparedPairs;
  pairs: TokenPair[];
  random: Random;
}

async function build(engine: Engine, options: Setting): Promise<Case> {
  const path = join(folder, String(models++));
  const { family, heads, dHead, seed } = options;
  if (family === 'gpt2') await writeRandomGpt2(path, { ...options, maxPositions: 24 });
  else
    await writeRandomFamily(path, {
      ...options,
      family,
      kvHeads: heads,
      planes: Math.ceil(dHead / 2),
      dModel: 3 + (seed % 9),
      vocabulary: SMALL_GPT2.vocabulary,
      biased: options.tied,
    });
  const model = await openForTest(path, options.form, family === 'gpt2' ? DEFAULT_SPLIT : options.split);
  const parts = await decomposed(model, options);
  const kinds = kindsOf(model.architecture).filter((_, index) => options.masked[index]);
  const masked = await MaskedModel.load(engine, model, parts.decomposition, {
    ...options,
    kinds,
    least: LEAST,
  });
  const random = new Random(options.seed).fork('pairs');
  const tokens = (length: number) => Array.from({ length }, () => random.integer(SMALL_GPT2.vocabulary));
  const beginning = tokens(options.beginning);
  const prompt = (length: number) => Int32Array.from([...beginning, ...tokens(length)]);
  const pairs = Array.from({ length: 3 }, (_, id): TokenPair => {
    const length = 1 + random.integer(6);
    return {
      id: String(id),
      clean: prompt(length),
      corrupted: prompt(options.positions === 'all' ? length : 1 + random.integer(6)),
      answers: Int32Array.of(1, 2),
      distractors: Int32Array.of(3),
    };
  });
  const prepared = await PreparedPairs.prepare(masked, pairs, options);
  return { ...parts, masked, prepared, pairs, random };
}

async function logProbabilities(
  { masked, prepared, pairs }: Case,
  masks?: Float32Array,
  options: Pick<MaskedPassOptions, 'hooks' | 'written'> = {},
): Promise<number[][]> {
  const indices = pairs.map((_, index) => index);
  const baseline = prepared.baseline(indices);
  const past = prepared.past(indices);
  const state = masked.forward(prepared.prompts(indices), {
    ...{ masks, baseline: masks && baseline, past },
    ...options,
  });
  const logits = masked.logits(state);
  const result = tf.logSoftmax(logits);
  const values = await result.data();
  tf.dispose([state, logits, result, baseline] as unknown as tf.TensorContainer);
  const { nVocab } = masked.architecture;
  return pairs.map((_, row) => Array.from(values.slice(row * nVocab, (row + 1) * nVocab)));
}

function worst(a: number[][], b: number[][]): number {
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i]![j]!))));
}

/** What replaces coefficients, from the definitions; `resample` is left to the tests of PreparedPairs. */
function referenceReplacement(
  { reference, pairs }: Case,
  index: number,
  { replacement, positions }: Setting,
): ReferenceMasking['replacement'] {
  if (replacement === 'zero') return () => 0;
  if (replacement === 'interchange') {
    const { coefficients } = referenceForward(reference, pairs[index]!.corrupted!);
    return (name, fromEnd, k) => coefficients.get(name)!.at(-1 - fromEnd)![k]!;
  }
  const runs = pairs.map(({ clean }) => referenceForward(reference, clean).coefficients);
  return (name, _fromEnd, k) => {
    const { layer } = reference.directions.get(name)!.component;
    const final = layer === reference.architecture.nLayers - 1;
    const rows = runs.flatMap((run) =>
      positions === 'last' || final ? [run.get(name)!.at(-1)!] : run.get(name)!,
    );
    return rows.reduce((sum, row) => sum + row[k]!, 0) / rows.length;
  };
}

describeOnEngines('masked forward', (engine) => {
  it('equals the plain model at mask 1, for every shape, rule and setting', async () => {
    await fc.assert(
      fc.asyncProperty(wideEnough, async (options) => {
        const built = await build(engine(), options);
        const plain = await logProbabilities(built);
        const reference = built.pairs.map(
          ({ clean }) => referenceForward(built.reference, clean).logProbabilities,
        );
        expect(worst(plain, reference)).toBeLessThan(1e-4);
        const ones = new Float32Array(built.masked.layout.size).fill(1);
        expect(worst(await logProbabilities(built, ones), plain)).toBeLessThan(1e-4);
        built.masked.dispose();
      }),
      { numRuns: 25 },
    );
  });

  it('is what the definitions say at random masks', async () => {
    await fc.assert(
      fc.asyncProperty(
        wideEnough.filter(({ replacement }) => replacement !== 'resample'),
        async (options) => {
          const built = await build(engine(), options);
          const { masked, reference, pairs, random } = built;
          const masks = Float32Array.from({ length: masked.layout.size }, () => random.uniform());
          const byName = masked.layout.split(masks);
          const wanted = pairs.map(({ clean }, index) => {
            const masking: ReferenceMasking = {
              positions: options.positions,
              mask: (name) => byName.get(name),
              replacement: referenceReplacement(built, index, options),
            };
            return referenceForward(reference, clean, masking).logProbabilities;
          });
          expect(worst(await logProbabilities(built, masks), wanted)).toBeLessThan(2e-4);
          masked.dispose();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('goes through the directions alone that masks leave some of, or leave out, and finds the same', async () => {
    await fc.assert(
      fc.asyncProperty(
        wideEnough,
        fc.constantFrom(0, 0.1, 0.3, 0.9, 1),
        fc.boolean(),
        async (options, kept, shared) => {
          const built = await build(engine(), options);
          const { masked, random } = built;
          const { size } = masked.layout;
          const written = shared ? new Written() : undefined;
          const before = tf.memory().numTensors;
          // The second has shares between 0 and 1 among what it keeps.
          for (const share of [() => 1, () => random.uniform()]) {
            const masks = Float32Array.from({ length: size }, () => (random.uniform() < kept ? share() : 0));
            // With hooks, be there none in them, all directions are passed.
            const wanted = await logProbabilities(built, masks, { hooks: {} });
            const found = await logProbabilities(built, masks, { written });
            // As the plain matrix equals its directions, which stands in for them: some models magnify rounding.
            expect(worst(found, wanted)).toBeLessThan(1e-4);
            const squares = found.flatMap((row, i) => row.map((value, j) => (value - wanted[i]![j]!) ** 2));
            expect(Math.sqrt(mean(squares)!)).toBeLessThan(1e-5);
          }
          written?.dispose();
          expect(tf.memory().numTensors).toBe(before);
          masked.dispose();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('scores mask vectors together as each alone, those with equal QK masks among them', async () => {
    await fc.assert(
      fc.asyncProperty(wideEnough, fc.constantFrom(0.1, 0.5), async (options, kept) => {
        const { masked, prepared, random } = await build(engine(), options);
        const { layout } = masked;
        const drawn = () => Float32Array.from({ length: layout.size }, () => Number(random.uniform() < kept));
        const [one, other] = [drawn(), drawn()];
        const likeOne = drawn();
        for (const component of layout.components) {
          const { start, length } = layout.of(component);
          if (component.kind === 'qk') likeOne.set(one.subarray(start, start + length), start);
        }
        const before = tf.memory().numTensors;
        const together = await scoreEach(prepared, [one, other, likeOne], {});
        expect(tf.memory().numTensors).toBe(before);
        for (const [at, masks] of [one, other, likeOne].entries()) {
          const alone = await scorePrompts(prepared, masks, { changes: () => ({ hooks: {} }) });
          alone.kl.forEach((kl, i) => expect(Math.abs(together[at]!.kl[i]! - kl)).toBeLessThan(1e-5));
          expect(together[at]!.full_accuracy).toEqual(alone.full_accuracy);
        }
        masked.dispose();
      }),
      { numRuns: 25 },
    );
  });

  it('without QK masks, computes the last position alone and finds what the whole computation finds', async () => {
    await fc.assert(
      fc.asyncProperty(
        wideEnough.map((options) => ({ ...options, positions: 'last' as const })),
        fc.integer({ min: 1, max: 20 }),
        async (options, maxTokens) => {
          const masked = [false, ...options.masked.slice(1, 3), true, options.masked[4]!];
          const lean = await build(engine(), { ...options, masked });
          // QK masks of 1 change nothing, but rule out the shortcut.
          const whole = await build(engine(), { ...options, masked: [true, ...masked.slice(1)] });
          const masks = Float32Array.from({ length: lean.masked.layout.size }, () => lean.random.uniform());
          const all = new Float32Array(whole.masked.layout.size).fill(1);
          const parts = whole.masked.layout.split(all);
          for (const [name, own] of lean.masked.layout.split(masks)) parts.get(name)!.set(own);

          const before = tf.memory().numTensors;
          const found = await objective(lean.prepared, [2, 0, 1], masks, 'kl', maxTokens);
          const scores = await scorePrompts(lean.prepared, masks);
          expect(tf.memory().numTensors).toBe(before);
          const wanted = await objective(whole.prepared, [2, 0, 1], all, 'kl', maxTokens);
          expect(Math.abs(found.kl - wanted.kl)).toBeLessThan(1e-5);
          expect(Math.abs(mean(scores.kl)! - wanted.kl)).toBeLessThan(1e-5);
          const gradients = whole.masked.layout.split(wanted.gradient);
          const scale = Math.max(...wanted.gradient.map(Math.abs));
          for (const [name, gradient] of lean.masked.layout.split(found.gradient))
            gradient.forEach((value, k) => {
              expect(Math.abs(value - gradients.get(name)![k]!), name).toBeLessThan(1e-3 * scale + 1e-6);
            });
          lean.masked.dispose();
          whole.masked.dispose();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('computes once what all prompts begin with, and finds what each prompt alone finds', async () => {
    await fc.assert(
      fc.asyncProperty(
        wideEnough.map((options) => ({ ...options, positions: 'last' as const })),
        fc.integer({ min: 8, max: 12 }),
        async (options, beginning) => {
          const masked = [true, ...options.masked.slice(1)];
          const { masked: model, ...built } = await build(engine(), { ...options, masked, beginning });
          const { prepared, random } = built;
          const prompts = prepared.prompts([0, 1, 2]);
          expect(sharedTokens(prompts, LEAST)).toBeGreaterThanOrEqual(beginning);
          const masks = Float32Array.from({ length: model.layout.size }, () => random.uniform());
          const before = tf.memory().numTensors;
          const together = await objective(prepared, [2, 0, 1], masks, 'kl', 1000);
          expect(tf.memory().numTensors).toBe(before);
          const alone = await objective(prepared, [2, 0, 1], masks, 'kl', 1);
          expect(Math.abs(together.kl - alone.kl)).toBeLessThan(1e-5);
          const scale = Math.max(...alone.gradient.map(Math.abs));
          together.gradient.forEach((value, at) => {
            expect(Math.abs(value - alone.gradient[at]!)).toBeLessThan(1e-3 * scale + 1e-6);
          });
          model.dispose();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has it at masks of 0 and 1 as well, those of QK among them', async () => {
    for (const family of ['gpt2', 'qwen3'] as const) {
      const { masked, prepared, random } = await build(engine(), { ...GRADIENT_SETTING, family });
      const masks = Float32Array.from({ length: masked.layout.size }, () => random.integer(2));
      const { gradient } = await objective(prepared, [0, 1, 2], masks, 'kl', 1000);
      const scale = Math.max(...gradient.map(Math.abs));
      for (const kind of masked.layout.kinds)
        for (let probe = 0; probe < 4; probe++) {
          const { start, length } = masked.layout.block(random.integer(2), kind)!;
          const k = start + random.integer(length);
          const at = async (shift: number) => {
            const moved = masks.slice();
            moved[k]! += shift;
            return (await objective(prepared, [0, 1, 2], moved, 'kl', 1000)).loss;
          };
          const slope = ((await at(1e-2)) - (await at(-1e-2))) / 2e-2;
          expect(Math.abs(slope - gradient[k]!), `${kind}, direction ${k}`).toBeLessThan(0.01 * scale + 2e-4);
        }
      masked.dispose();
    }
  });

  for (const loss of ['kl', 'logit_diff', 'cross_entropy'] as const)
    it(`has the gradient of ${loss} that finite differences show`, async () => {
      for (const change of [
        {},
        { positions: 'all', activation: 'gelu' },
        { replacement: 'zero', form: 'folded' },
        { basis: 'random' },
        { basis: 'coordinates' },
        ...(loss === 'kl' ? ROTARY_FAMILIES.map((family) => ({ family })) : []),
        ...(loss === 'kl' ? [{ family: 'qwen3', basis: 'loaded' } as const] : []),
        { family: 'gpt_neox', split: { by: 'plane', offsets: 64 } },
        { masked: WITHOUT_QK },
        { masked: WITHOUT_QK, keepPast: false },
        { beginning: 9 },
        { beginning: 9, positions: 'all' },
        ...(loss === 'kl' ? ROTARY_FAMILIES.map((family) => ({ family, beginning: 9 })) : []),
      ] as const) {
        const { masked, prepared, random } = await build(engine(), { ...GRADIENT_SETTING, ...change });
        const masks = Float32Array.from({ length: masked.layout.size }, () => 0.2 + 0.6 * random.uniform());
        const { gradient } = await objective(prepared, [0, 1, 2], masks, loss, 1000);
        const lossAt = async (moved: Float32Array) =>
          (await objective(prepared, [0, 1, 2], moved, loss, 1000)).loss;
        // All masks of a kind at once, each up or down: no direction goes unproved.
        for (const kind of masked.layout.kinds) {
          const signs = new Float32Array(masks.length);
          for (const component of masked.layout.components)
            if (component.kind === kind) {
              const { start, length } = masked.layout.of(component);
              for (let k = start; k < start + length; k++) signs[k] = random.uniform() < 0.5 ? -1 : 1;
            }
          const step = 5e-3;
          const [above, below] = [step, -step].map((by) => masks.map((mask, k) => mask + by * signs[k]!));
          const slope = ((await lossAt(above!)) - (await lossAt(below!))) / (2 * step);
          const own = gradient.filter((_, k) => signs[k] !== 0);
          const wanted = gradient.reduce((sum, value, k) => sum + value * signs[k]!, 0);
          expect(Math.abs(slope - wanted), kind).toBeLessThan(0.01 * Math.hypot(...own) + 4e-4);
        }
        masked.dispose();
      }
    });
});
