/** Opens models for a test file and closes them at its end. */
import { afterAll } from 'vitest';
import { openModel } from '../../src/models/open-model.js';
import type { QkSplit } from '../../src/models/qk-split.js';
import type { Model, WeightForm } from '../../src/models/weights.js';

const opened: Model[] = [];
afterAll(async () => {
  await Promise.all(opened.splice(0).map((model) => model.close()));
});

export async function openForTest(folder: string, form?: WeightForm, split?: QkSplit): Promise<Model> {
  const model = await openModel(folder, form, split);
  opened.push(model);
  return model;
}
