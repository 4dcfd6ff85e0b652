/** `report`: writes a run's page anew, or those of a sweep's runs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { writeReport } from '../explorer/write-report.js';
import { openRun } from '../formats/run-folder.js';
import { checkModel } from '../run/source.js';
import { withSubject } from '../run/subject.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import { SweepFolder } from '../sweep/sweep-folder.js';

/**
 * @param given with a model, the manifests say from now on that the model lies there
 * @returns the page's path; of a sweep, those of its complete runs
 * @throws InputError if the folder holds no run that was evaluated, or the model is not the run's
 */
export async function report(given: Given<'report'>): Promise<string[]> {
  const { run: folder, model } = complete('report', given);
  const pages: string[] = [];
  for (const run of await runsIn(folder)) pages.push(await reportOne(run, model));
  return pages;
}

async function runsIn(folder: string): Promise<string[]> {
  const sweep = new SweepFolder(folder);
  if (existsSync(join(folder, 'manifest.json')) || !existsSync(sweep.file('runs'))) return [folder];
  const complete: string[] = [];
  for (const id of await sweep.ids())
    if ((await sweep.status(id)) === 'complete') complete.push(sweep.run(id));
  return complete;
}

async function reportOne(folder: string, name: string | null): Promise<string> {
  if (name !== null) {
    const run = await openRun(folder);
    await withSubject(name, {}, async ({ source: { id, name, revision }, model }) => {
      await checkModel(model, run);
      await run.update({ model: { id, path: name, revision, hash: await model.hash() } });
    });
  }
  return writeReport(folder);
}
