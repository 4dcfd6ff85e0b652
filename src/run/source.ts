/** What `evaluate`, `score` and `report` are pointed at: a run's folder, which brings model, masks and settings, or a model. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { modelName } from '../formats/manifest.js';
import { openRun, type RunFolder } from '../formats/run-folder.js';
import type { Model } from '../models/weights.js';

export interface Source {
  /** How the model is named. */
  model: string;
  /** Null where a model was named. */
  run: RunFolder | null;
}

/**
 * @param path folder of a run, or a model
 * @param model where the run's model lies now; null: where it was
 * @throws InputError if a model is named and another one beside it, or the run holds no masks
 */
export async function sourceOf(path: string | undefined, model: string | null | undefined): Promise<Source> {
  if (!path) throw new InputError('no model: give a folder, a hub id, or the folder of a run');
  if (!existsSync(join(path, 'manifest.json'))) {
    if (model != null) throw new InputError(`${path}: is no run, whose model --model ${model} would be`);
    return { model: path, run: null };
  }
  const run = await openRun(path);
  const { command } = run.manifest;
  if (!['run', 'train', 'evaluate'].includes(command))
    throw new InputError(`${path}: holds a run of "${command}", which leaves no masks behind`);
  return { model: model ?? modelName(run.manifest), run };
}

/** @throws InputError unless the model's weights are those that the run had */
export async function checkModel(model: Model, run: RunFolder | null): Promise<void> {
  if (run && (await model.hash()) !== run.manifest.model.hash)
    throw new InputError(
      `${model.path}: its weights are not those of ${run.manifest.model.id} that ${run.path} was made with; ` +
        'give that model with --model',
    );
}
