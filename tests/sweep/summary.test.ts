/** What a table says of its runs: groups, deviations, intervals over two levels, and fronts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordOf, SCORES } from '../../src/evaluate/metrics.js';
import { Random } from '../../src/random.js';
import { FIGURES, type RunRow } from '../../src/sweep/results.js';
import { bySetting, paretoFront, summarise } from '../../src/sweep/summary.js';
import { summaryTable } from '../../src/sweep/table.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
let folders = 0;

/** A run whose prompts have these KLs; without any, it has no scores a prompt. */
function row(seed: number, l1: number, kl: number, active: number, prompts: number[] = []): RunRow {
  const path = join(folder, String(folders++));
  mkdirSync(path);
  const scores = prompts.map((value) => ({
    ...recordOf(SCORES, () => value),
    none_logit_diff: 0,
  }));
  if (prompts.length > 0)
    writeFileSync(join(path, 'prompts.jsonl'), scores.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const figures = Object.fromEntries(FIGURES.map((figure) => [figure, null])) as RunRow['figures'];
  return {
    id: String(folders),
    path,
    model: 'a',
    model_hash: '0',
    seed,
    test_hash: path,
    masks_hash: path,
    settings: { task: 'ioi', l1 },
    figures: { ...figures, kl, active },
    n: prompts.length,
    engine: 'wasm',
    seconds: 1,
  };
}

it('does not take prompts that all runs share for new ones', async () => {
  const prompts = Array.from({ length: 50 }, (_, i) => i % 2);
  const runs = Array.from({ length: 10 }, (_, seed) => row(seed, 0.1, 0.5, 10, prompts));
  const width = async (rows: RunRow[]) => {
    const [low, high] = (await summarise(rows))[0]!.figures.kl.interval!;
    return high - low;
  };
  const [own, shared] = [await width(runs), await width(runs.map((run) => ({ ...run, test_hash: 'same' })))];
  expect(shared / own).toBeGreaterThan(2.5);
  expect(shared / own).toBeLessThan(4);
});

it('gathers runs that differ in nothing but the seed', async () => {
  const rows = [row(1, 0.1, 2, 10), row(0, 0.2, 7, 5), row(0, 0.1, 4, 12)];
  expect(bySetting(rows).map((group) => group.map(({ seed }) => seed))).toEqual([[0, 1], [0]]);
  const [first, second] = await summarise(rows);
  expect(first!.figures.kl).toMatchObject({ mean: 3, sd: Math.SQRT2 });
  expect(first!.figures.active).toMatchObject({ mean: 11, sd: Math.SQRT2 });
  expect(second!.figures.kl).toEqual({ mean: 7, sd: null, interval: [7, 7] });
  expect(second!.figures.accuracy).toEqual({ mean: null, sd: null, interval: null });
});

it('is the same in whatever order the runs are found', async () => {
  const rows = [row(1, 0.1, 2, 10), row(0, 0.2, 7, 5), row(0, 0.1, 4, 12)];
  expect(await summarise([...rows].reverse())).toEqual(await summarise(rows));
});

it('has intervals over prompts for one seed, over seeds for many, as wide as theory says', async () => {
  const random = new Random(1);
  const normal = (n: number, centre: number) => Array.from({ length: n }, () => centre + random.normal());
  const half = async (rows: RunRow[]) => {
    const { interval } = (await summarise(rows))[0]!.figures.kl;
    return (interval![1] - interval![0]) / 2;
  };
  const one = normal(400, 0);
  // 1.96 σ/√n over prompts: 0.098.
  expect(Math.abs((await half([row(0, 1, 0, 1, one)])) - 0.098)).toBeLessThan(0.015);
  // Sixteen seeds that differ by more than their prompts: 1.96·2/√16 = 0.98.
  const many = normal(16, 0).map((seed, i) => {
    const prompts = normal(100, 2 * seed);
    return row(i, 1, 2 * seed, 1, prompts);
  });
  expect(Math.abs((await half(many)) - 0.98)).toBeLessThan(0.35);
});

describe('paretoFront', () => {
  it('keeps what nothing beats, ties included', () => {
    expect(
      paretoFront([
        [1, 5],
        [2, 2],
        [3, 2],
        [5, 1],
        [2, 2],
        [6, 6],
      ]),
    ).toEqual([0, 1, 3, 4]);
  });

  it('is never empty, and every other point is beaten by one on it', () => {
    const point = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 }));
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 30 }), (points) => {
        const front = paretoFront(points);
        expect(front.length).toBeGreaterThan(0);
        for (const [i, [x, y]] of points.entries())
          if (!front.includes(i))
            expect(front.some((j) => points[j]![0] <= x && points[j]![1] <= y)).toBe(true);
      }),
    );
  });
});

it('compares only what was measured on the same prompts', async () => {
  const other = row(0, 0.1, 9, 99);
  other.settings = { ...other.settings, task: 'greater-than' };
  const summaries = await summarise([row(0, 0.1, 1, 10), row(0, 0.2, 2, 20), other]);
  expect(summaries.map(({ settings: { task }, pareto }) => [task, pareto])).toEqual([
    ['greater-than', true],
    ['ioi', true],
    ['ioi', false],
  ]);
});

it('prints the settings that vary, and the task', async () => {
  const table = summaryTable(await summarise([row(0, 0.1, 1, 10), row(1, 0.1, 3, 10), row(0, 0.2, 2, 20)]));
  const [heading, first, second] = table.split('\n');
  expect(heading).toMatch(/^task\s+l1\s+seeds\s+kept\s+KL \(nats\)\s+exact match/);
  expect(first).toMatch(/^ioi\s+0.1\s+2\s+10 ± 0 \[10, 10\]\s+2.000 ± 1.414 \[1.000, 3.000\].*front$/);
  expect(second).toMatch(/^ioi\s+0.2\s+1\s+20 \[20, 20\]\s+2.000 \[2.000, 2.000\]/);
  expect(summaryTable([])).toBe('no complete run');
});
