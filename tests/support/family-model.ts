/** Small random models of every family, loaded with all their directions, beside the reference's view of them. */
import { join } from 'node:path';
import type { Engine } from '../../src/engine/engine.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import type { Positions } from '../../src/forward/masking-rules.js';
import { type Kind, kindsOf } from '../../src/models/components.js';
import type { QkSplit } from '../../src/models/qk-split.js';
import type { Model, WeightForm } from '../../src/models/weights.js';
import { Random } from '../../src/random.js';
import { decomposed } from './decomposed.js';
import { openForTest } from './open-model.js';
import { ROTARY_FAMILIES, writeRandomFamily } from './random-family.js';
import { SMALL_GPT2, writeRandomGpt2 } from './random-gpt2.js';
import type { ReferenceModel } from './reference-forward.js';

/** Grouped heads, biases, output norms, capped scores and parallel residuals are all among them. */
export const ALL_FAMILIES = ['gpt2', ...ROTARY_FAMILIES] as const;

export interface FamilyModel {
  model: MaskedModel;
  reference: ReferenceModel;
  prompt(length: number): Int32Array;
}

export interface FamilyOptions {
  positions?: Positions;
  /** Which kinds' directions are loaded. */
  kinds?: (kind: Kind) => boolean;
  split?: QkSplit;
  form?: WeightForm;
}

export async function loadFamily(
  engine: Engine,
  folder: string,
  family: (typeof ALL_FAMILIES)[number],
  { positions, kinds, split, form }: FamilyOptions = {},
): Promise<FamilyModel> {
  const path = join(folder, family);
  if (family === 'gpt2') await writeRandomGpt2(path);
  else
    await writeRandomFamily(path, {
      family,
      layers: 2,
      kvHeads: 2,
      group: 2,
      planes: 2,
      dModel: 9,
      dMlp: 14,
      vocabulary: SMALL_GPT2.vocabulary,
      biased: true,
      seed: 3,
    });
  const opened = await openForTest(path, form, split);
  const { decomposition, reference } = await decomposed(opened);
  const model = await MaskedModel.load(engine, opened, decomposition, {
    positions,
    kinds: kinds && kindsOf(opened.architecture).filter(kinds),
  });
  const random = new Random(7);
  const prompt = (length: number) => Int32Array.from({ length }, () => random.integer(SMALL_GPT2.vocabulary));
  return { model, reference, prompt };
}

/** A random model of one layer, opened: the smallest that has every matrix of its family. */
export async function openOneLayer(folder: string, family: (typeof ALL_FAMILIES)[number]): Promise<Model> {
  const path = join(folder, family);
  if (family === 'gpt2') await writeRandomGpt2(path, { layers: 1 });
  else
    await writeRandomFamily(path, {
      ...{ family, layers: 1, kvHeads: 2, group: 2, planes: 2, dModel: 9, dMlp: 13 },
      ...{ vocabulary: 11, biased: true, seed: 4 },
    });
  return openForTest(path);
}
