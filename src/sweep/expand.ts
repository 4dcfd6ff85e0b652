/** From a plan's entries to jobs: models and data files are opened, hashed and checked once each. */
import { InputError } from '../errors.js';
import { kindsOf } from '../models/components.js';
import { packageFile } from '../package-file.js';
import type { LongCall } from '../progress.js';
import { type DataFile, dataFileAt } from '../queue/data-file.js';
import { newJob } from '../queue/job.js';
import { inspectModel, type KnownModel } from '../queue/known-model.js';
import { checkedKinds } from '../run/decomposition.js';
import { taskNamed } from '../tasks/tasks.js';
import type { PlanEntry } from './plan.js';
import { type PlannedRun, runJobs } from './run-job.js';
import { completed, type PlanSettings, type RunSettings } from './settings.js';

/**
 * Each run once, in the plan's order.
 * @throws InputError naming the plan's line for whatever could not work: a model or file that is missing, an unknown task
 */
export async function expandPlan(entries: readonly PlanEntry[], call: LongCall = {}): Promise<PlannedRun[]> {
  const models = new Map<string, Promise<KnownModel>>();
  const files = new Map<string, Promise<DataFile>>();
  const once = <Value>(known: Map<string, Promise<Value>>, key: string, make: () => Promise<Value>) => {
    if (!known.has(key)) known.set(key, make());
    return known.get(key)!;
  };
  const runs = new Map<string, PlannedRun>();
  for (const { settings, where } of entries) {
    try {
      const path = settings.model ?? packageFile('models/embedded');
      const model = await once(models, path, () => inspectModel(path, call));
      const run = await planned(settings, model, path, (file) => once(files, file, () => dataFileAt(file)));
      if (!runs.has(run.job.id)) runs.set(run.job.id, run);
    } catch (error) {
      throw error instanceof InputError ? new InputError(`${where}: ${error.message}`) : error;
    }
  }
  return [...runs.values()];
}

async function planned(
  settings: PlanSettings,
  model: KnownModel,
  path: string,
  hashed: (path: string) => Promise<DataFile>,
): Promise<PlannedRun> {
  const files: PlannedRun['files'] = [];
  const file = async (from: string): Promise<DataFile> => {
    const found = await hashed(from);
    files.push({ file: found, path: from });
    return found;
  };
  const whole = completed(settings, await promptsOf(settings, file));
  const kinds = checkedKinds(model, whole.components);
  const all = kindsOf(model.architecture);
  // Kinds in their own order, and all of them as null: the same choice has one identity.
  whole.components = kinds.length === all.length ? null : all.filter((kind) => kinds.includes(kind));
  return {
    job: newJob(runJobs, model.identity, whole),
    model: path,
    weightBytes: model.weightBytes,
    files,
  };
}

async function promptsOf(
  settings: PlanSettings,
  file: (path: string) => Promise<DataFile>,
): Promise<RunSettings['prompts']> {
  const { task, data, validation, test, corruption, templates } = settings;
  if ((task === undefined) === (data === undefined)) throw new InputError('give either "task" or "data"');
  if (task !== undefined) {
    const { corruptions, templates: known } = taskNamed(task);
    const chosen = corruption ?? corruptions[0]!.id;
    refuseUnknown(`corruption`, [chosen], corruptions);
    refuseUnknown(`template`, templates ?? [], known);
    const { trainPairs, validationPairs, testPairs } = settings;
    const counts = Object.fromEntries(
      Object.entries({ train: trainPairs, validation: validationPairs, test: testPairs }).filter(
        ([, pairs]) => pairs !== undefined,
      ),
    );
    return { task, corruption: chosen, ...(templates && { templates }), counts };
  }
  return {
    data: await file(data!),
    ...(validation !== undefined && { validation: await file(validation) }),
    ...(test !== undefined && { test: await file(test) }),
  };
}

function refuseUnknown(what: string, asked: readonly string[], known: readonly { id: string }[]): void {
  const unknown = asked.find((id) => !known.some((entry) => entry.id === id));
  if (unknown !== undefined)
    throw new InputError(`no ${what} "${unknown}"; choose from ${known.map(({ id }) => id).join(', ')}`);
}
