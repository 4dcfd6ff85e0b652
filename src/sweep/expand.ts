/** From a plan's entries to jobs: models and data files are opened, hashed and checked once each. */
import { InputError } from '../errors.js';
import { EMBEDDED } from '../formats/model-folder.js';
import { kindsOf } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { type DataFile, dataFileAt } from '../queue/data-file.js';
import { newJob } from '../queue/job.js';
import { inspectModel, type KnownModel } from '../queue/known-model.js';
import { checkedKinds } from '../run/decomposition.js';
import type { Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { taskNamed } from '../tasks/tasks.js';
import type { PlanEntry, PlanSettings } from './plan.js';
import { type PlannedRun, runJobs } from './run-job.js';

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
      const path = settings.model ?? EMBEDDED;
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
  const file = async (from: string | null): Promise<DataFile | null> => {
    if (from === null) return null;
    const found = await hashed(from);
    files.push({ file: found, path: from });
    return found;
  };
  const { model: _model, preset, store, memory, out, resume, ...whole } = complete('run', settings);
  const { task, data, validation, test, components } = whole;
  if ((task === null) === (data === null)) throw new InputError('give either "task" or "data"');
  const kinds = checkedKinds(model, components);
  const all = kindsOf(model.architecture);
  const job = {
    ...whole,
    // Kinds in their own order, and all of them as null: the same choice has one identity.
    components: kinds.length === all.length ? null : all.filter((kind) => kinds.includes(kind)),
    workers: whole.workers ?? 1,
    corruption: task && corruptionOf(task, whole),
    data: await file(data),
    validation: await file(validation),
    test: await file(test),
  };
  const { architecture, weightBytes } = model;
  return { job: newJob(runJobs, model.identity, job), model: path, weightBytes, architecture, files };
}

/** The corruption that is meant, so that a task's own one has one identity. */
function corruptionOf(
  task: string,
  { corruption, templates }: Pick<Settings<'run'>, 'corruption' | 'templates'>,
): string {
  const { corruptions, templates: known } = taskNamed(task);
  const chosen = corruption ?? corruptions[0]!.id;
  refuseUnknown(`corruption`, [chosen], corruptions);
  refuseUnknown(`template`, templates ?? [], known);
  return chosen;
}

function refuseUnknown(what: string, asked: readonly string[], known: readonly { id: string }[]): void {
  const unknown = asked.find((id) => !known.some((entry) => entry.id === id));
  if (unknown !== undefined)
    throw new InputError(`no ${what} "${unknown}"; choose from ${known.map(({ id }) => id).join(', ')}`);
}
