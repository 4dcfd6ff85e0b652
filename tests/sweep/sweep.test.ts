/** Sweeps on this machine: nothing is done twice, nothing is lost, and every way of doing them gives the same table. */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { sweep } from '../../src/commands/sweep.js';
import { InterruptedError } from '../../src/errors.js';
import { readJson } from '../../src/formats/json-file.js';
import { readParquetRows } from '../../src/formats/parquet-file.js';
import type { JobsListener } from '../../src/queue/execute.js';
import type { JobsProgress } from '../../src/queue/job-tracker.js';
import type { Given } from '../../src/settings/commands.js';
import { readResults } from '../../src/sweep/results.js';
import { summarise } from '../../src/sweep/summary.js';
import { SweepFolder } from '../../src/sweep/sweep-folder.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { tinyPlan } from '../support/tiny-sweep.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const plan = tinyPlan(folder, 'plan', 'task: ioi\nmatrix:\n  init: [0.99, 0.6]\n  seed: 0..1');

function start(name: string, more: Partial<Given<'sweep'>> = {}, listener: JobsListener = {}) {
  return sweep({ plan, out: join(folder, name), local: true, jobs: 2, ...more }, listener);
}

const manifests = (name: string) =>
  readdirSync(join(folder, name, 'runs')).map((id) => {
    const path = join(folder, name, 'runs', id, 'manifest.json');
    return { id, written: statSync(path).mtimeMs, ...JSON.parse(readFileSync(path, 'utf8')) };
  });

beforeAll(async () => {
  await start('whole');
});

it('leaves a complete run folder for each run, and a table over seeds', async () => {
  expect(manifests('whole').map(({ status }) => status)).toEqual(Array(4).fill('complete'));
  const { settings, runs } = (await readJson(join(folder, 'whole', 'sweep.json'))) as Record<
    string,
    unknown[]
  >;
  expect(settings).toBeUndefined();
  expect(runs).toHaveLength(4);
  const table: Record<string, unknown>[] = [];
  for await (const row of readParquetRows(join(folder, 'whole', 'sweep.parquet'))) table.push(row);
  // A column of nulls has no type of its own, and is text.
  expect(table).toEqual(runs);
  const summaries = await summarise(await readResults([new SweepFolder(join(folder, 'whole'))]));
  expect(summaries.map(({ seeds, settings: { init } }) => ({ seeds, init }))).toEqual([
    { seeds: [0, 1], init: 0.6 },
    { seeds: [0, 1], init: 0.99 },
  ]);
  const { kl, active } = summaries[0]!.figures;
  expect(kl.interval![0]).toBeLessThanOrEqual(kl.mean!);
  expect(kl.interval![1]).toBeGreaterThanOrEqual(kl.mean!);
  expect(active.mean).toBeLessThan(780);
});

it('computes nothing that is done, however the plan is repeated or grown', async () => {
  const before = manifests('whole');
  expect((await start('whole')).outcome).toMatchObject({ total: 4, complete: 4, computed: 0 });
  const grown = tinyPlan(folder, 'grown', 'task: ioi\nmatrix:\n  init: [0.6]\n  seed: [2, 0, 1]');
  const { outcome, summaries } = await start('whole', { plan: grown });
  expect(outcome).toMatchObject({ total: 3, complete: 3, computed: 1 });
  expect(summaries.map(({ seeds }) => seeds)).toEqual([
    [0, 1, 2],
    [0, 1],
  ]);
  const after = manifests('whole');
  expect(after).toHaveLength(5);
  for (const { id, written } of before) expect(after.find((run) => run.id === id)!.written).toBe(written);
  rmSync(join(folder, 'whole', 'runs', after.find(({ settings }) => settings.seed === 2)!.id), {
    recursive: true,
  });
});

it('gives the same table in two shards as in one piece', async () => {
  const shards = [1, 2].map((index) => ({ index, of: 2 }));
  for (const shard of shards) {
    const { outcome } = await start(`shard-${shard.index}`, { shard });
    expect(outcome).toMatchObject({ total: 2, complete: 2 });
  }
  const table = async (...names: string[]) => {
    const rows = await readResults(names.map((name) => new SweepFolder(join(folder, name))));
    return { rows: rows.map(({ path, seconds, ...row }) => row), summaries: await summarise(rows) };
  };
  expect(await table('shard-1', 'shard-2')).toEqual(await table('whole'));
});

it('interrupted, leaves runs that can be resumed, and goes on to the same result', async () => {
  const abort = new AbortController();
  const states: JobsProgress[] = [];
  const listener = {
    signal: abort.signal,
    onState: (state: JobsProgress) => {
      states.push(state);
      if (state.running.some(({ stage }) => stage === 'train')) abort.abort();
    },
  };
  await expect(start('interrupted', {}, listener)).rejects.toThrow(InterruptedError);
  if (existsSync(children)) expect(processes()).toEqual([]);
  expect(manifests('interrupted').every(({ status }) => ['interrupted', 'complete'].includes(status))).toBe(
    true,
  );
  expect(states.some(({ running }) => running.some(({ label }) => label === 'seed=0 init=0.99'))).toBe(true);
  expect(
    (await start('interrupted', { plan: join(folder, 'interrupted', 'plan.yaml') })).outcome.complete,
  ).toBe(4);
  const masks = (name: string) =>
    manifests(name).map(({ id }) => [id, readFileSync(join(folder, name, 'runs', id, 'masks.safetensors'))]);
  expect(masks('interrupted')).toEqual(masks('whole'));
});

it('marks a run that cannot work, after one attempt, and does the others', async () => {
  const file = join(folder, 'ids.jsonl');
  writeFileSync(file, '{"clean_ids": [1, 2], "corrupted_ids": [1, 999999]}\n'.repeat(9));
  const mixed = tinyPlan(folder, 'mixed', `include:\n  - data: ${file}\n  - task: ioi`);
  const notes: string[] = [];
  const { outcome } = await start('mixed', { plan: mixed }, { onNote: (line) => notes.push(line) });
  expect(outcome).toMatchObject({ total: 2, complete: 1, failures: [{ attempts: 1 }] });
  expect(outcome.failures[0]!.error).toContain('999999');
  const { failures } = (await readJson(join(folder, 'mixed', 'sweep.json'))) as { failures: unknown[] };
  expect(failures).toEqual(outcome.failures);
  expect(notes.some((line) => line.startsWith('failed: data=ids.jsonl'))).toBe(true);
});

const children = `/proc/${process.pid}/task/${process.pid}/children`;
const processes = () =>
  readFileSync(children, 'utf8')
    .split(' ')
    .filter((pid) => pid.trim() !== '');

it.skipIf(!existsSync(children))(
  'does runs of one kind in one process, none after a failure, and leaves none behind (skipped likewise)',
  async () => {
    const bad = join(folder, 'bad.jsonl');
    writeFileSync(bad, '{"clean_ids": [1, 2], "corrupted_ids": [1, 999999]}\n'.repeat(9));
    const blocks = `include:\n  - task: ioi\n  - data: ${bad}\n  - task: ioi\n    matrix: {seed: 1..2}`;
    const seen = new Set<string>();
    const { outcome } = await start(
      'shared',
      { plan: tinyPlan(folder, 'one-kind', blocks), jobs: 1 },
      { onState: () => processes().forEach((pid) => seen.add(pid)) },
    );
    expect(outcome).toMatchObject({ total: 4, complete: 3 });
    expect(seen.size).toBe(2);
    expect(processes()).toEqual([]);
  },
);

it.skipIf(!existsSync(children))(
  'tries a run once more whose process was killed (skipped where /proc does not list children)',
  async () => {
    let killed = false;
    const notes: string[] = [];
    const onState = ({ running }: JobsProgress) => {
      if (killed || !running.some(({ stage }) => stage === 'train')) return;
      killed = true;
      for (const pid of processes()) process.kill(Number(pid), 'SIGKILL');
    };
    const single = tinyPlan(folder, 'single', 'task: ioi');
    const { outcome } = await start(
      'killed',
      { plan: single },
      { onState, onNote: (line) => notes.push(line) },
    );
    expect(outcome).toMatchObject({ complete: 1, failures: [] });
    expect(notes.some((line) => line.includes('its process ended with SIGKILL; trying once more'))).toBe(
      true,
    );
  },
);
