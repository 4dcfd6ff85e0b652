/** Sweeps over a real Redis, in fair weather and foul: every run is in the results once, whatever is killed meanwhile. */
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { sweep } from '../../src/commands/sweep.js';
import { readJson } from '../../src/formats/json-file.js';
import { packageFile } from '../../src/package-file.js';
import { PREFIX, queueName } from '../../src/queue/messages.js';
import type { Given } from '../../src/settings/commands.js';
import { expandPlan } from '../../src/sweep/expand.js';
import { readPlan } from '../../src/sweep/plan.js';
import { readResults } from '../../src/sweep/results.js';
import { SweepFolder } from '../../src/sweep/sweep-folder.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { tinyPlan } from '../support/tiny-sweep.js';
import { until } from '../support/until.js';
import { type WorkerProcess, WorkerProcesses } from '../support/worker-process.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
process.env.ORTHOSCOPE_CACHE = cache;

let redis: RedisServer;
const workers = new WorkerProcesses(folder);
let started = 0;

const worker = (...args: string[]) => workers.start(args, { cache, url: redis.url });

function coordinate(plan: string, name: string, more: Partial<Given<'sweep'>> = {}) {
  const notes: string[] = [];
  const settings = { plan, out: join(folder, name), redis: redis.url, ...more };
  const done = sweep(settings, { onNote: (line) => notes.push(line) });
  return { done, notes };
}

/** Each planned run is a row, once, and a whole run folder. */
async function expectOnce(plan: string, name: string): Promise<void> {
  const planned = (await expandPlan(await readPlan(plan))).map(({ job }) => job.id).sort();
  const { runs, failures } = (await readJson(join(folder, name, 'sweep.json'))) as {
    runs: { id: string }[];
    failures: unknown[];
  };
  expect(failures).toEqual([]);
  expect(runs.map(({ id }) => id)).toEqual(planned);
  expect(readdirSync(join(folder, name, 'runs')).sort()).toEqual(planned);
}

const rows = async (name: string) =>
  (await readResults([new SweepFolder(join(folder, name))])).map(({ path, seconds, ...row }) => row);

/** The folder in which a worker does the run that it began last. */
function runOf({ root, output }: WorkerProcess): string {
  return join(root, 'runs', [...output.matchAll(/run (\w{16}) begins/g)].at(-1)![1]!);
}

/** The embedded model with one weight changed. */
function otherModel(): string {
  const path = join(folder, 'other-model');
  cpSync(packageFile('models/embedded'), path, { recursive: true });
  const weights = readFileSync(join(path, 'model.safetensors'));
  weights.writeFloatLE(0.125, weights.length - 4);
  writeFileSync(join(path, 'model.safetensors'), weights);
  return path;
}

describeWithRedis('with a Redis', () => {
  beforeEach(async () => {
    redis = await RedisServer.start(join(folder, `redis-${started++}`), 'sesame-of-the-test');
  });
  afterEach(async () => {
    redis.signal('SIGCONT');
    await workers.kill();
    await redis.stop();
  });

  it('two workers, two coordinators and a worker with a wrong model give the table of one machine', async () => {
    const plan = tinyPlan(folder, 'plan', 'task: ioi\nmatrix:\n  init: [0.99, 0.6]\n  seed: 0..1');
    const wrong = worker('--model', otherModel());
    await wrong.says('waiting for runs');
    const pair = [coordinate(plan, 'first'), coordinate(plan, 'second')];
    const right = [worker(), worker()];
    for (const { done } of pair) expect((await done).outcome).toMatchObject({ complete: 4, failures: [] });
    await sweepOnThisMachine(plan, 'local');
    for (const name of ['first', 'second']) {
      await expectOnce(plan, name);
      expect(await rows(name)).toEqual(await rows('local'));
    }
    // Each run was done by one worker, once, for both coordinators.
    const done = right.map(({ output }) =>
      [...output.matchAll(/run (\w{16}) is done/g)].map(([, id]) => id!),
    );
    expect(done.flat().sort()).toEqual((await rows('local')).map(({ id }) => id));
    expect(wrong.output).not.toMatch(/run \w{16} begins/);
    expect(await Promise.all(right.map((process) => process.stop()))).toEqual([0, 0]);
    expectNoSecrets('sesame-of-the-test', [...pair.flatMap(({ notes }) => notes), ...workers.outputs]);
  });

  it('another worker takes over when one is killed in mid-run', async () => {
    const long = tinyPlan(folder, 'killed', 'task: ioi', { steps: 100 });
    const doomed = worker('--lease', '2');
    const { done } = coordinate(long, 'killed');
    await doomed.says(/run \w{16} begins/);
    await until(() => existsSync(join(runOf(doomed), 'history.jsonl')));
    await doomed.stop('SIGKILL');
    expect(doomed.output).not.toContain('is done');
    const heir = worker('--lease', '2');
    expect((await done).outcome).toMatchObject({ complete: 1, failures: [] });
    await expectOnce(long, 'killed');
    expect(heir.output).toMatch(/run \w{16} is done/);
  });

  it('nothing is lost when Redis is killed, and later does not answer for longer than a lease is held unrenewed', async () => {
    const plan = tinyPlan(folder, 'outage', 'task: ioi\nmatrix: {seed: 0..3}');
    const steady = worker('--lease', '4');
    const { done, notes } = coordinate(plan, 'outage');
    onTestFailed(() => void process.stderr.write([...notes, 'worker:', steady.output, ''].join('\n')));
    await steady.says(/run \w{16} begins/);
    await redis.stop('SIGKILL');
    await until(() => notes.some((line) => line.includes('connection lost')));
    await redis.start();
    await steady.says(/is done[\s\S]*run \w{16} begins/);
    redis.signal('SIGSTOP');
    // A lease is renewed when half of it is over, and by then the run has ended, too: its result must wait.
    await delay(2500);
    await until(() => existsSync(join(runOf(steady), 'metrics.json')));
    redis.signal('SIGCONT');
    expect((await done).outcome).toMatchObject({ complete: 4, failures: [] });
    await expectOnce(plan, 'outage');
    expect(notes.some((line) => line.includes('connection lost'))).toBe(true);
    expect(notes.some((line) => line.includes('connected again'))).toBe(true);
  });

  it('results come through a shared folder where the worker has one, and data files through Redis', async () => {
    const pairs = join(folder, 'pairs.jsonl');
    const line = (i: number) => JSON.stringify({ clean_ids: [1, 2, i], corrupted_ids: [1, 3, i] });
    writeFileSync(pairs, Array.from({ length: 24 }, (_, i) => `${line(i)}\n`).join(''));
    const plan = tinyPlan(folder, 'shared', `include:\n  - data: ${pairs}`);
    worker('--shared', join(folder, 'shared'));
    const { done } = coordinate(plan, 'shared');
    expect((await done).outcome).toMatchObject({ complete: 1, failures: [] });
    await expectOnce(plan, 'shared');
    const [row] = await rows('shared');
    expect(row!.settings.data).toMatch(/^[0-9a-f]{16}-pairs.jsonl$/);
  });

  describe('what was put into the queue by others', () => {
    it('is refused before anything is done or written', async () => {
      const plan = tinyPlan(folder, 'forged', 'task: ioi');
      const { job } = (await expandPlan(await readPlan(plan)))[0]!;
      const queue = new Queue(queueName(job.model), {
        connection: { url: redis.url },
        prefix: PREFIX,
      });
      const forge = (id: string, change: (copy: typeof job) => void) => {
        const copy = structuredClone(job);
        change(copy);
        return queue.add('run', copy, { jobId: id });
      };
      await forge('path', (copy) => (copy.id = '../../outside'));
      await forge(job.id, (copy) => (copy.settings.seed = 7));
      await forge('model', (copy) => (copy.model.hash = '0'.repeat(64)));
      await forge('setting', (copy) => Object.assign(copy.settings, { out: join(folder, 'outside') }));
      await queue.add('run', '\u001b[2Jrm -rf', { jobId: 'text' });
      const target = worker('--idle-exit', '1');
      await target.says('0 runs done');
      const failed = await queue.getFailed();
      await queue.close();
      expect(failed).toHaveLength(5);
      expect(failed.map(({ failedReason }) => failedReason).sort()).toEqual([
        expect.stringContaining(
          'the job is not one that this version does: "\\u001b[2Jrm -rf": expected an object',
        ),
        expect.stringContaining(
          'the job is not one that this version does: id "../../outside": is not the id of a job',
        ),
        expect.stringContaining('the job is not one that this version does: settings: unknown key "out"'),
        expect.stringContaining("the job's id is not that of its settings"),
        expect.stringContaining("the job's id is not that of its settings"),
      ]);
      expect(existsSync(join(folder, 'outside'))).toBe(false);
      expect(readdirSync(join(target.root, 'runs'))).toEqual([]);
    });
  });
});

async function sweepOnThisMachine(plan: string, name: string): Promise<void> {
  await coordinate(plan, name, { redis: null, local: true, jobs: 2 }).done;
}

/** Looks through everything that was written, Redis's own folder aside. */
function expectNoSecrets(secret: string, texts: string[]): void {
  for (const text of texts) expect(text).not.toContain(secret);
  const visit = (path: string) => {
    for (const name of readdirSync(path)) {
      if (path === folder && name.startsWith('redis-')) continue;
      const inner = join(path, name);
      if (statSync(inner).isDirectory()) visit(inner);
      else expect(readFileSync(inner).includes(secret), inner).toBe(false);
    }
  };
  visit(folder);
}
