/** Writes `report.html` into a run's folder, from what the folder holds: the explorer, with the report inside. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeText } from '../formats/atomic-file.js';
import { packageFile } from '../package-file.js';
import type { PageProgram } from '../report/document.js';
import { type ReportedRun, reportPage } from '../report/html.js';
import { collect, reportedRun } from './collect.js';
import { packed } from './pack.js';
import type { Snapshot } from './snapshot.js';

/**
 * @param folder of a run that was evaluated; one without `history.jsonl` gets a page without training curves
 * @returns the page's path
 * @throws InputError if the folder holds no run, or the run lacks its masks or metrics, or they do not agree
 */
export async function writeReport(folder: string): Promise<string> {
  const run = await reportedRun(folder);
  const snapshot = await collect(folder, run);
  const path = join(folder, 'report.html');
  await writeText(path, await explorerPage(run, snapshot));
  return path;
}

/** The page as one text: the program, what it shows, and the report inside. */
export async function explorerPage(run: ReportedRun, snapshot: Snapshot): Promise<string> {
  const blocks = Object.entries(packed(snapshot)).map(([name, bytes]) => [name, bytes.toString('base64')]);
  return reportPage(run, {
    ...(await program()),
    blocks: Object.fromEntries(blocks),
    ...(snapshot.core.live && { connect: "'self'" }),
  });
}

/** What the build made of `page/`. */
async function program(): Promise<Pick<PageProgram, 'script' | 'style'>> {
  const read = (name: string) => readFile(packageFile(`dist/explorer/${name}`), 'utf8');
  return { script: await read('page.js'), style: await read('page.css') };
}
