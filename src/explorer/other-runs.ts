/** What other runs keep: those of the sweep that a run is of, or those that `stability` compared it with. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../errors.js';
import { readStability } from '../evidence/stability-file.js';
import { readJson } from '../formats/json-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import { type Circuit, readCircuit } from '../sweep/circuit.js';
import { jaccard, overlaps, total } from '../sweep/overlap.js';
import { readResults } from '../sweep/results.js';
import { agreement } from '../sweep/stability.js';
import { SUMMARY_DEFAULTS, summarise } from '../sweep/summary.js';
import { SweepFolder } from '../sweep/sweep-folder.js';
import { settingName } from '../sweep/table.js';
import type { Keeping, SweepOverview } from './snapshot.js';

export interface OtherRuns {
  keeping: Keeping | null;
  /** By component: how many runs keep each direction. */
  counts: Map<string, Float32Array> | null;
  sweep: SweepOverview | null;
}

/**
 * @param masks of the run, by component
 * @param hash of its masks file
 */
export async function otherRuns(
  run: RunFolder,
  masks: ReadonlyMap<string, Float32Array>,
  hash: string,
): Promise<OtherRuns> {
  const around = await sweepAround(run).catch((error) => {
    // Another run that cannot be read must not keep this one's page from being written; `sweep table` says what it is.
    if (error instanceof InputError) return null;
    throw error;
  });
  const compared = await comparedRuns(run, masks, hash);
  return { keeping: null, counts: null, sweep: null, ...around, ...compared };
}

/** The sweep, once its table names the run: before that, other runs may be half-done. */
async function sweepAround({ path, manifest }: RunFolder): Promise<OtherRuns | null> {
  const id = basename(resolve(path));
  const root = dirname(dirname(resolve(path)));
  const folder = new SweepFolder(root);
  const table = folder.file('sweep.json');
  if (resolve(folder.run(id)) !== resolve(path) || !existsSync(table)) return null;
  const { runs } = (await readJson(table)) as { runs?: { id: string }[] };
  if (!runs?.some((row) => row.id === id)) return null;
  const rows = await readResults([folder]);
  const summaries = await summarise(rows);
  const own = summaries.find((summary) => summary.runs.includes(id));
  if (!own) return null;
  const alike = own.runs.map((each) => rows.find((row) => row.id === each)!);
  const circuits: Circuit[] = [];
  for (const row of alike) circuits.push(await readCircuit(row));
  const overlapOf = (a: Circuit, b: Circuit) => jaccard(total(overlaps(a, b).values(), false));
  const counts = new Map(
    [...circuits[0]!.active].map(([name, { length }]) => [
      name,
      Float32Array.from({ length }, (_, at) =>
        circuits.reduce((sum, { active }) => sum + active.get(name)![at]!, 0),
      ),
    ]),
  );
  const several = circuits.length > 1;
  const { components: _, ...agreed } = several ? agreement(circuits, SUMMARY_DEFAULTS) : { components: [] };
  return {
    keeping: several ? { runs: circuits.length, from: 'sweep' } : null,
    counts: several ? counts : null,
    sweep: {
      name: basename(root),
      settings: summaries
        .filter(({ model_hash }) => model_hash === manifest.model.hash)
        .map((summary) => ({
          name: settingName(summary, summaries),
          seeds: summary.seeds.length,
          kept: summary.figures.active,
          kl: summary.figures.kl,
          faithfulness: summary.figures.faithfulness,
          pareto: summary.pareto,
          own: summary === own,
          // Of its first seed: somewhere to go.
          run: summary.runs[0]!,
        })),
      runs: alike.map(({ id: each, seed, figures }) => ({
        ...{ id: each, seed, kept: figures.active, kl: figures.kl, own: each === id },
      })),
      jaccard: circuits.map((a) => circuits.map((b) => overlapOf(a, b))),
      agreement: several ? (agreed as SweepOverview['agreement']) : null,
    },
  };
}

/** What `stability` left inside the run's folder, if it compared this circuit with others. */
async function comparedRuns(
  run: RunFolder,
  masks: ReadonlyMap<string, Float32Array>,
  hash: string,
): Promise<Pick<OtherRuns, 'keeping' | 'counts'> | null> {
  for (const entry of await readdir(run.path, { withFileTypes: true })) {
    const file = join(run.path, entry.name, 'stability.json');
    if (!entry.isDirectory() || !existsSync(file)) continue;
    const { runs, sets } = await readStability(file);
    if (!sets || !runs.some((each) => each.masks === hash)) continue;
    const counts = new Map([...masks].map(([name, { length }]) => [name, new Float32Array(length)]));
    const note = (direction: string, kept: number) => {
      const [, component, index] = /^(.+)\.(\d+)$/.exec(direction) ?? [];
      const own = counts.get(component ?? '');
      if (own && Number(index) < own.length) own[Number(index)] = kept;
    };
    for (const direction of sets.core) note(direction, runs.length);
    for (const { direction, runs: kept } of [...sets.contingent, ...sets.noise]) note(direction, kept);
    return { keeping: { runs: runs.length, from: 'stability' }, counts };
  }
  return null;
}
