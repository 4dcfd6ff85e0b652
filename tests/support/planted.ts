/** Planted models ready to be masked. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Directions } from '../../src/decompose/directions.js';
import type { Engine } from '../../src/engine/engine.js';
import { encodePairs } from '../../src/formats/token-pairs.js';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import type { Positions } from '../../src/forward/masking-rules.js';
import type { Model, WeightForm } from '../../src/models/weights.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { PLANTED_DEFAULTS, type PlantedOptions, plantModel } from '../../src/planted/planted-model.js';
import { type DirectionTruth, sharesOf } from '../../src/planted/recovery.js';
import { plantedPairs, writePlanted } from '../../src/planted/write-planted.js';
import { decomposed } from './decomposed.js';
import { openForTest } from './open-model.js';
import { temporaryFolder } from './temporary-folder.js';

const models = temporaryFolder();

export interface OpenPlanted {
  folder: string;
  model: Model;
  masked: MaskedModel;
  prepared: PreparedPairs;
  directions: Map<string, Directions>;
  truth: DirectionTruth;
}

export async function openPlanted(
  engine: Engine,
  options: Partial<PlantedOptions> & Pick<PlantedOptions, 'mechanism'>,
  { positions = 'last' as Positions, form = 'reference' as WeightForm, prompts = 150 } = {},
): Promise<OpenPlanted> {
  const folder = mkdtempSync(join(models, 'planted-'));
  const planted = plantModel({ ...PLANTED_DEFAULTS, seed: 1, ...options });
  await writePlanted(folder, planted);
  const { test } = await plantedPairs(folder, planted, { train: 0, validation: 0, test: prompts }, 7);
  const model = await openForTest(folder, form);
  const { decomposition, reference } = await decomposed(model);
  const masked = await MaskedModel.load(engine, model, decomposition, { positions });
  const tokenizer = await openTokenizer(folder);
  const pairs = encodePairs(test, tokenizer, model.architecture);
  const prepared = await PreparedPairs.prepare(masked, pairs, { replacement: 'interchange', seed: 1 });
  const { directions } = reference;
  const truth = new Map(
    [...directions].map(([name, own]) => [name, sharesOf(planted.truth, own, positions)] as const),
  );
  return { folder, model, masked, prepared, directions, truth };
}

/** Masks that keep the directions that pass. */
export function masksBy(
  { masked: { layout } }: OpenPlanted,
  keeps: (component: string, k: number) => boolean,
): Float32Array {
  const masks = new Float32Array(layout.size);
  for (const [name, own] of layout.split(masks))
    for (let k = 0; k < own.length; k++) own[k] = Number(keeps(name, k));
  return masks;
}
