import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { builtFile } from '../../src/built-file.js';
import { InputError, InterruptedError } from '../../src/errors.js';
import { openProcesses } from '../../src/pool/processes.js';
import type { WorkerPool } from '../../src/pool/worker-pool.js';
import { runs } from '../support/runs.js';
import { until } from '../support/until.js';

// Processes run built files, dist/src/pool/process-entry.js among them: `npm test` builds first.
const file = '../tests/pool/process-jobs.mjs';
const places = ['a', 'b'].map((place) => ({ name: `place ${place}`, env: { PLACE: place } }));
const opened: WorkerPool[] = [];

function open(): WorkerPool {
  const pool = openProcesses({ file, places });
  opened.push(pool);
  return pool;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((pool) => pool.close()));
});

interface Self {
  pid: number;
  place: string;
  jobs: number;
}
const selves = (pool: WorkerPool, count: number) =>
  Promise.all(Array.from({ length: count }, () => pool.run<Self>('whoami', null)));

it('gives as many jobs as places to the same places every time', async () => {
  const pool = open();
  expect(pool.workers).toBe(2);
  for (const jobs of [1, 2, 3])
    expect(await selves(pool, 2)).toMatchObject([
      { place: 'a', jobs },
      { place: 'b', jobs },
    ]);
});

it('does more jobs than places, each process one at a time', async () => {
  const all = await selves(open(), 9);
  expect(new Set(all.map(({ pid }) => pid)).size).toBe(2);
  const counts = all.map(({ place, jobs }) => `${place}${jobs}`);
  expect(new Set(counts).size).toBe(9);
});

it('sends typed arrays as they are, of a larger or a shared buffer too', async () => {
  const pool = open();
  const shared = new Float32Array(new SharedArrayBuffer(40)).fill(1.5);
  for (const values of [Float32Array.of(0.1, 1, 2).subarray(1), Int32Array.of(1, 2), shared.subarray(2, 4)]) {
    const doubled = values.map((value) => 2 * value);
    const total = values[0]! + values[1]!;
    expect(await pool.run('sum', { values })).toEqual({ total, doubled });
  }
});

it('refuses input as the job does, names the place of a fault, and goes on', async () => {
  const pool = open();
  const [before] = await selves(pool, 1);
  await expect(pool.run('refuse', null)).rejects.toThrow(new InputError('no such layer; give another'));
  const fault = await pool.run('fail', null).catch((error) => error);
  expect(fault).not.toBeInstanceOf(InputError);
  expect(fault.message).toBe('place a: out of range');
  expect(fault.stack).toContain('process-jobs.mjs');
  expect((await selves(pool, 1))[0]!.pid).toBe(before!.pid);
});

it.each([
  ['SIGKILL', /^place a: its process ended with SIGKILL; .* lower limit of memory$/],
  [
    'SIGABRT',
    /^place a: its process ended with SIGABRT: FATAL ERROR: .* heap out of memory; .* lower limit of memory$/,
  ],
  ['exit', /^place a: its process ended with exit code 3: no space left; .* lower limit of memory$/],
])('says of a process that died by %s where and how, and starts another', async (how, message) => {
  const pool = open();
  const [before] = await selves(pool, 2);
  const [death, other] = await Promise.allSettled([pool.run('die', how), pool.run<Self>('whoami', null)]);
  const { reason } = death as PromiseRejectedResult;
  expect(reason).toBeInstanceOf(InputError);
  expect(reason.message).toMatch(message);
  expect(other).toMatchObject({ value: { place: 'b', jobs: 2 } });
  const [after] = await selves(pool, 1);
  expect(after).toMatchObject({ place: 'a', jobs: 1 });
  expect(after!.pid).not.toBe(before!.pid);
});

it('ends the process of a job that is interrupted; the others go on', async () => {
  const pool = open();
  const [a, b] = await selves(pool, 2);
  const stop = new AbortController();
  const asleep = pool.run('sleep', 600_000, stop.signal);
  const other = pool.run('sleep', 50);
  stop.abort();
  await expect(asleep).rejects.toThrow(InterruptedError);
  await other;
  expect([runs(a!.pid), runs(b!.pid)]).toEqual([false, true]);
  await expect(pool.run('whoami', null, stop.signal)).rejects.toThrow(InterruptedError);
});

it('waits for what runs when it is closed, does not begin what waits, and leaves no process', async () => {
  const pool = open();
  const all = await selves(pool, 2);
  const [running, alsoRunning, waiting] = [1, 2, 3].map(() => pool.run('sleep', 100));
  const refused = expect(waiting).rejects.toThrow('closed');
  await pool.close();
  await Promise.all([running, alsoRunning, refused]);
  expect(all.map(({ pid }) => runs(pid))).toEqual([false, false]);
});

/** A process of its own with a pool, whose processes are busy; prints their ids. */
const PARENT = `
const { openProcesses } = await import(process.argv[1]);
const pool = openProcesses({ file: ${JSON.stringify(file)}, places: ${JSON.stringify(places)} });
const all = await Promise.all([0, 1].map(() => pool.run('whoami', null)));
console.log(JSON.stringify(all.map(({ pid }) => pid)));
await pool.run('sleep', 600_000);
`;

async function parentWithPool(options: { detached?: boolean } = {}): Promise<[ChildProcess, number[]]> {
  const module = pathToFileURL(builtFile('src/pool/processes.js')).href;
  const args = ['--input-type=module', '-e', PARENT, module];
  const parent = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(parent.stdout!, 'data');
  return [parent, JSON.parse(String(line))];
}

it('its processes end when this one is killed', async () => {
  const [parent, pids] = await parentWithPool();
  expect(pids.map(runs)).toEqual([true, true]);
  parent.kill('SIGKILL');
  await until(() => !pids.some(runs));
});

it('leaves Ctrl-C, which reaches the whole group of processes, to this one', async () => {
  const [parent, pids] = await parentWithPool({ detached: true });
  for (const pid of pids) process.kill(pid, 'SIGINT');
  await delay(100);
  expect(pids.map(runs)).toEqual([true, true]);
  process.kill(-parent.pid!, 'SIGINT');
  await until(() => !pids.some(runs));
});
