/** Writes `report.html` into a run's folder, from what the folder holds. */
import { existsSync } from 'node:fs';
import { InputError } from '../errors.js';
import { readMetrics } from '../evaluate/metrics-file.js';
import { readVerdict } from '../evidence/verdict-file.js';
import { writeText } from '../formats/atomic-file.js';
import { hashFile } from '../formats/file-hash.js';
import { openRun } from '../formats/run-folder.js';
import { readMasks } from '../masks/masks-file.js';
import { reportPage } from './html.js';
import { shortHash } from './measured.js';

/**
 * @param folder of a run that was evaluated; one without `history.jsonl` gets a page without training curves
 * @returns the page's path
 * @throws InputError if the folder holds no run, or the run lacks its masks or metrics, or they do not agree
 */
export async function writeReport(folder: string): Promise<string> {
  const run = await openRun(folder);
  const { status } = run.manifest;
  for (const name of ['masks.safetensors', 'metrics.json'])
    if (!existsSync(run.file(name)))
      throw new InputError(
        `${folder}: no ${name} (the run is ${status}); a report needs a run that was trained and evaluated`,
      );
  const metrics = await readMetrics(run.file('metrics.json'));
  const file = run.file('masks.safetensors');
  const { values: masks } = await readMasks(file);
  const hash = await hashFile(file);
  if (metrics.measured.masks !== hash)
    throw new InputError(
      `${folder}: metrics.json was measured on other masks (SHA-256 ${shortHash(metrics.measured.masks)}) than ` +
        `masks.safetensors (${shortHash(hash)}): evaluate again`,
    );
  if (metrics.measured.model.hash !== run.manifest.model.hash)
    throw new InputError(
      `${folder}: metrics.json was measured on another model (${metrics.measured.model.id}) than the run's (${run.manifest.model.id}): evaluate again`,
    );
  const { manifest } = run;
  const path = run.file('report.html');
  // One that was given on other masks is not this circuit's.
  const given = existsSync(run.file('verdict.json')) ? await readVerdict(run.file('verdict.json')) : null;
  const verdict = given?.measured.masks === hash ? given : null;
  await writeText(path, reportPage({ manifest, metrics, history: await run.readHistory(), masks, verdict }));
  return path;
}
