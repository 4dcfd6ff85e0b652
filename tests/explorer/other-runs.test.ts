/** What a run's page says of the other runs of its sweep, and of runs that it was compared with. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { report } from '../../src/commands/report.js';
import type { Stability } from '../../src/evidence/stability-file.js';
import { collect, reportedRun as readRun } from '../../src/explorer/collect.js';
import type { Snapshot } from '../../src/explorer/snapshot.js';
import { writeJson } from '../../src/formats/atomic-file.js';
import type { ReportedRun } from '../../src/report/html.js';
import { reportedRun, writeReportedRun } from '../support/run-fixture.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const sweep = join(temporaryFolder(), 'prices');
const IDS = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(16));
const first = reportedRun();
const pathOf = (at: number) => join(sweep, 'runs', IDS[at]!);

/** The same run from another seed, which leaves out every so manieth direction of the first one's. */
function seeded(seed: number, every: number, l1 = first.manifest.settings.l1): ReportedRun {
  let at = 0;
  const masks = new Map(
    [...first.masks].map(([name, values]) => [name, values.map((mask) => (at++ % every === 0 ? 0 : mask))]),
  );
  const { manifest, metrics } = first;
  return {
    ...first,
    masks,
    manifest: { ...manifest, seeds: { run: seed }, settings: { ...manifest.settings, seed, l1 } },
    metrics: { ...metrics, measured: { ...metrics.measured, seed } },
  };
}
const runs = [seeded(0, 1e9), seeded(1, 2), seeded(2, 3), seeded(3, 2, 0.5)];
const keptBy = (run: ReportedRun) => [...run.masks.values()].flatMap((own) => [...own].map((m) => m > 0.5));

beforeAll(async () => {
  mkdirSync(join(sweep, 'runs'), { recursive: true });
  for (const [at, run] of runs.entries()) await writeReportedRun(pathOf(at), run);
});

const collected = async (at: number): Promise<Snapshot> => collect(pathOf(at), await readRun(pathOf(at)));

it('says nothing of a sweep that is not done', async () => {
  expect((await collected(0)).core).toMatchObject({ sweep: null, keeping: null });
});

describe('a sweep that is done', () => {
  beforeAll(() => writeJson(join(sweep, 'sweep.json'), { runs: IDS.map((id) => ({ id })) }));

  it('says how many seeds of its own setting keep each direction', async () => {
    const { core, values } = await collected(1);
    expect(core.keeping).toEqual({ runs: 3, from: 'sweep' });
    const kept = runs.slice(0, 3).map(keptBy);
    expect([...values.keeping!]).toEqual(kept[0]!.map((_, at) => kept.filter((own) => own[at]).length));
  });

  it('shows its settings, and its seeds beside each other', async () => {
    const { sweep: found } = (await collected(1)).core;
    expect(found!.name).toBe('prices');
    expect(found!.settings.map(({ seeds, own }) => [seeds, own]).sort()).toEqual([
      [1, false],
      [3, true],
    ]);
    expect(found!.settings.some(({ pareto }) => pareto)).toBe(true);
    expect(found!.runs.map(({ seed, own }) => [seed, own])).toEqual([
      [0, false],
      [1, true],
      [2, false],
    ]);
    const [a, b] = [0, 1].map((at) => keptBy(runs[at]!));
    const both = a!.filter((own, at) => own && b![at]).length;
    const either = a!.filter((own, at) => own || b![at]).length;
    expect(found!.jaccard[0]![1]).toBeCloseTo(both / either, 10);
    expect(found!.jaccard[1]![0]).toBe(found!.jaccard[0]![1]);
    expect(found!.jaccard.map((row, at) => row[at])).toEqual([1, 1, 1]);
    expect(found!.agreement!.ever).toBe(a!.filter(Boolean).length);
  });

  it('has all of its pages written anew by report', async () => {
    const pages = await report({ run: sweep });
    expect(pages).toEqual(IDS.map((_, at) => join(pathOf(at), 'report.html')));
    for (const page of pages) expect(existsSync(page)).toBe(true);
    expect(await report({ run: pathOf(1) })).toEqual([pages[1]]);
  });

  it('compares nothing where there is one seed', async () => {
    const { core, values } = await collected(3);
    expect(core.keeping).toBeNull();
    expect(values.keeping).toBeUndefined();
    expect(core.sweep!.agreement).toBeNull();
  });

  it('takes what stability found instead, where it compared this circuit', async () => {
    const { measured } = (await readRun(pathOf(0))).metrics;
    const names = [...first.masks.keys()].map((name) => `${name}.0`);
    const stability: Stability = {
      schema_version: 1,
      measured: {
        ...{ model: measured.model, weight_form: measured.weight_form, seed: 0 },
        ...{ positions: 'last', replacement: 'interchange', level: 0.95, resamples: 10 },
      },
      runs: Array.from({ length: 5 }, (_, at) => ({
        ...{ path: String(at), source: 'task ioi, seed 7', hash: measured.masks, basis: 'svd' },
        ...{ masks: at === 2 ? measured.masks : 'ee'.repeat(32), threshold: 0.5, kept: 3, directions: 9 },
      })),
      sets: {
        noise_up_to: 1,
        core: [names[0]!],
        contingent: [{ direction: names[1]!, runs: 3 }],
        noise: [{ direction: names[2]!, runs: 1 }],
      },
      ...{ on: [], spaces: [], seconds: 1 },
    };
    mkdirSync(join(pathOf(0), 'others'));
    await writeJson(join(pathOf(0), 'others', 'stability.json'), stability);
    const { core, values } = await collected(0);
    expect(core.keeping).toEqual({ runs: 5, from: 'stability' });
    const starts = core.components.map((_, at) =>
      core.components.slice(0, at).reduce((sum, { directions }) => sum + directions, 0),
    );
    expect(starts.slice(0, 4).map((start) => values.keeping![start])).toEqual([5, 3, 1, 0]);
    expect(values.keeping!.reduce((sum, kept) => sum + kept)).toBe(9);
  });

  it('is left out where one of its runs cannot be read', async () => {
    await writeJson(join(pathOf(3), 'metrics.json'), {});
    expect((await collected(1)).core).toMatchObject({ sweep: null, keeping: null });
  });
});
