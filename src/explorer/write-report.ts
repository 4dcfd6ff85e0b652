/** Writes `report.html` into a run's folder, from what the folder holds: the explorer, with the report inside. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeText } from '../formats/atomic-file.js';
import { packageFile } from '../package-file.js';
import type { PageProgram } from '../report/document.js';
import { reportPage } from '../report/html.js';
import { collect, reportedRun } from './collect.js';
import { packed } from './pack.js';

/**
 * @param folder of a run that was evaluated; one without `history.jsonl` gets a page without training curves
 * @returns the page's path
 * @throws InputError if the folder holds no run, or the run lacks its masks or metrics, or they do not agree
 */
export async function writeReport(folder: string): Promise<string> {
  const run = await reportedRun(folder);
  const snapshot = await collect(folder, run);
  const path = join(folder, 'report.html');
  const blocks = Object.entries(packed(snapshot)).map(([name, bytes]) => [name, bytes.toString('base64')]);
  await writeText(path, reportPage(run, { ...(await program()), blocks: Object.fromEntries(blocks) }));
  return path;
}

/** What the build made of `page/`. */
export async function program(): Promise<Pick<PageProgram, 'script' | 'style'>> {
  const read = (name: string) => readFile(packageFile(`dist/explorer/${name}`), 'utf8');
  return { script: await read('page.js'), style: await read('page.css') };
}
