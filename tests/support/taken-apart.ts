/** A family's random model as the interpretation room takes it, beside the reference's view of it. */
import { join } from 'node:path';
import type { Engine } from '../../src/engine/engine.js';
import type { TakenApart } from '../../src/interpret/taken-apart.js';
import { decomposed } from './decomposed.js';
import { type ALL_FAMILIES, type FamilyModel, type FamilyOptions, loadFamily } from './family-model.js';
import { openForTest } from './open-model.js';

export interface ApartForTest extends FamilyModel {
  apart: TakenApart;
}

export async function takeApart(
  engine: Engine,
  folder: string,
  family: (typeof ALL_FAMILIES)[number],
  options: FamilyOptions = {},
): Promise<ApartForTest> {
  const loaded = await loadFamily(engine, folder, family, options);
  const opened = await openForTest(join(folder, family), options.form, options.split);
  const { decomposition } = await decomposed(opened);
  return {
    ...loaded,
    apart: { model: opened, decomposition, running: loaded.model, ends: await opened.ends() },
  };
}
