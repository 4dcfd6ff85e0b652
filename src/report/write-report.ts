/** Writes `report.html` into a run's folder, from what the folder holds. */
import { existsSync } from 'node:fs';
import { InputError } from '../errors.js';
import { readMetrics } from '../evaluate/metrics-file.js';
import { writeText } from '../formats/atomic-file.js';
import { openRun } from '../formats/run-folder.js';
import { readMasks } from '../masks/masks-file.js';
import { reportPage } from './html.js';

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
  const { values: masks } = await readMasks(run.file('masks.safetensors'));
  const directions = [...masks.values()].reduce((sum, { length }) => sum + length, 0);
  for (const [split, counted] of Object.entries(metrics.splits))
    if (counted.directions !== directions)
      throw new InputError(
        `${folder}: masks.safetensors holds ${directions} directions, metrics.json counts ${counted.directions} (${split}); ` +
          'they belong to different runs: evaluate again',
      );
  const { manifest } = run;
  const path = run.file('report.html');
  await writeText(path, reportPage({ manifest, metrics, history: await run.readHistory(), masks }));
  return path;
}
