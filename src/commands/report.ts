/** `report`: writes a run's page anew. */

import { writeReport } from '../explorer/write-report.js';
import { openRun } from '../formats/run-folder.js';
import { checkModel } from '../run/source.js';
import { withSubject } from '../run/subject.js';
import type { Given } from '../settings/commands.js';
import { complete } from '../settings/complete.js';

/**
 * @param given with a model, the run's manifest says from now on that its model lies there
 * @returns the page's path
 * @throws InputError if the folder holds no run that was evaluated, or the model is not the run's
 */
export async function report(given: Given<'report'>): Promise<string> {
  const { run: folder, model: name } = complete('report', given);
  if (name !== null) {
    const run = await openRun(folder);
    await withSubject(name, {}, async ({ source: { id, name, revision }, model }) => {
      await checkModel(model, run);
      await run.update({ model: { id, path: name, revision, hash: await model.hash() } });
    });
  }
  return writeReport(folder);
}
