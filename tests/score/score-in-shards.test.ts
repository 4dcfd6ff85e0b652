/** `orthoscope score` over a real Redis: what workers send back is joined to what one run gives, whatever befalls them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { packageFile } from '../../src/package-file.js';
import { jobSchema, newJob } from '../../src/queue/job.js';
import { inspectModel } from '../../src/queue/known-model.js';
import { PREFIX, queueName } from '../../src/queue/messages.js';
import { type ShardJob, shardJobs } from '../../src/score/shard-job.js';
import { type CommandOptions, orthoscope } from '../support/command.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { until } from '../support/until.js';
import { WorkerProcesses } from '../support/worker-process.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');
process.env.ORTHOSCOPE_CACHE = cache;
const model = packageFile('models/embedded');
const data = join(folder, 'of mine.jsonl');
const run = join(folder, 'run');

let redis: RedisServer;
const workers = new WorkerProcesses(folder);
let started = 0;

const worker = (...args: string[]) => workers.start(args, { cache, url: redis.url });

function score(of: string, name: string, more: string[], options: Partial<CommandOptions> = {}) {
  const args = ['score', of, '--out', join(folder, name), '--engine', 'wasm', '--data', `mine=${data}`];
  return orthoscope([...args, '--positions', 'all', '--json', ...more], { cache, ...options });
}

const overRedis = (shards = 3) => ['--redis', redis.url, '--shards', String(shards)];

const tables = (name: string) =>
  ['directions.parquet', 'examples.parquet', 'counts.json', 'rejected.jsonl'].map((file) =>
    readFileSync(join(folder, name, file)).toString('base64'),
  );

const TINY = ['--train-pairs', '8', '--validation-pairs', '4', '--test-pairs', '4', '--batch-size', '4'];
const SHORT = [
  '--steps',
  '2',
  '--rounding-steps',
  '1',
  '--control-seeds',
  '0',
  '--resamples',
  '2',
  '--lr',
  '1',
];

beforeAll(async () => {
  const make = ['task', model, '--task', 'ioi', '--test-pairs', '600', '--out', join(folder, 'task')];
  expect(await orthoscope([...make, '--quiet'], { cache })).toMatchObject({ code: 0 });
  const lines = readFileSync(join(folder, 'task', 'test.jsonl'), 'utf8');
  writeFileSync(data, `${lines}not json\n`);
  const trained = ['run', '--task', 'ioi', '--engine', 'wasm', '--out', run, ...TINY, ...SHORT];
  expect(await orthoscope(trained, { cache })).toMatchObject({ code: 0 });
  expect(await score(model, 'local', [])).toMatchObject({ code: 0 });
});

describeWithRedis('over a Redis', () => {
  beforeEach(async () => {
    redis = await RedisServer.start(join(folder, `redis-${started++}`));
  });
  afterEach(async () => {
    await workers.kill();
    await redis.stop();
  });

  it('two workers give the tables of one run, byte for byte', async () => {
    const pair = [worker(), worker()];
    for (const process of pair) await process.says('waiting for runs');
    const { code, stdout, stderr } = await score(model, 'queued', overRedis());
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).counters.mine).toMatchObject({ prompts: 1200, rejected: 1 });
    expect(tables('queued')).toEqual(tables('local'));
    const manifest = JSON.parse(readFileSync(join(folder, 'queued', 'manifest.json'), 'utf8'));
    expect(manifest.data.mine.source).toBe('of mine.jsonl');
    expect(existsSync(join(folder, 'queued.shards'))).toBe(false);
    const done = pair.flatMap(({ output }) => [...output.matchAll(/score \w{16} is done/g)]);
    expect(done).toHaveLength(3);
    // They take no more than is tolerated in all, and nothing that cannot be cut.
    const limited = await score(model, 'limited', [...overRedis(), '--max-rejected', '0']);
    expect(limited.code).toBe(2);
    expect(limited.stderr).toMatch(/1 records rejected, at most 0/);
  });

  it("a run's masks travel, and results may come through a shared folder", async () => {
    const more = ['--directions', 'active', '--threshold', '0.1'];
    expect(await score(run, 'masked', more)).toMatchObject({ code: 0 });
    worker('--shared', join(folder, 'masked-queued.shards'));
    const { code, stderr } = await score(run, 'masked-queued', [...more, ...overRedis(2)]);
    expect(code, stderr).toBe(0);
    expect(tables('masked-queued')).toEqual(tables('masked'));
  });

  it('another worker takes over a shard when one is killed in the middle of it', async () => {
    const doomed = worker('--lease', '2');
    const outcome = score(model, 'killed', overRedis(2));
    await doomed.says(/score \w{16} begins/);
    const states = join(doomed.root, 'runs');
    const [id] = /\w{16}(?= begins)/.exec(doomed.output)!;
    await until(() => existsSync(join(states, id, 'states')));
    await doomed.stop('SIGKILL');
    expect(doomed.output).not.toContain('is done');
    worker('--lease', '2');
    expect(await outcome).toMatchObject({ code: 0 });
    expect(tables('killed')).toEqual(tables('local'));
  });

  it('a job that others put into the queue is refused before anything is done', async () => {
    const job = await shardJob();
    const queue = new Queue(queueName(job.model), { connection: { url: redis.url }, prefix: PREFIX });
    const forged = structuredClone(job);
    forged.settings.maxRejected = 7;
    await queue.add('score', forged, { jobId: job.id });
    // All is right with this one, but its data were never sent.
    const honest = newJob(shardJobs, forged.model, forged.settings);
    await queue.add('score', honest, { jobId: honest.id });
    await worker('--idle-exit', '1').says('0 runs done');
    const failed = await queue.getFailed();
    await queue.close();
    expect(failed.map(({ failedReason }) => failedReason).sort()).toEqual([
      expect.stringContaining('mine.jsonl: is gone from Redis, or not the file of that hash'),
      expect.stringContaining("the job's id is not that of its settings"),
    ]);
  });
});

describe('a shard as a job', () => {
  it.each<[string, (job: ShardJob) => void]>([
    ['a data set that is a path', ({ settings }) => (settings.data[0]!.name = '../x')],
    ['a file that is a path', ({ settings }) => (settings.data[0]!.file.name = '../x')],
    ['masks that are a path', ({ settings }) => (settings.masks = { name: 'a/b', hash: '0'.repeat(64) })],
    ['a shard beyond the last', ({ settings }) => (settings.shard.index = 9)],
    ['more examples than can be kept', ({ settings }) => (settings.examples = 1e12)],
    ['a threshold that no mask can be above', ({ settings }) => (settings.threshold = 2)],
    ['no data', ({ settings }) => (settings.data = [])],
    ['a setting that none has', ({ settings }) => Object.assign(settings, { out: '/tmp/x' })],
    ['a path for a model', (bad) => Object.assign(bad.model, { path: '/models/b' })],
  ])('is refused with %s', async (_, spoil) => {
    const job = await shardJob();
    expect(jobSchema(shardJobs).safeParse(job).success).toBe(true);
    spoil(job);
    expect(jobSchema(shardJobs).safeParse(job).success).toBe(false);
  });
});

it('refuses what cannot be cut, before anything is sent', async () => {
  const nowhere = ['--redis', 'redis://127.0.0.1:1'];
  const pipe = await orthoscope(['score', model, '--out', join(folder, 'pipe'), '--data=-', ...nowhere], {
    cache,
  });
  expect([pipe.code, pipe.stderr]).toEqual([2, expect.stringContaining('a pipe cannot be cut for workers')]);
  for (const flags of [['--values', 'f32'], ['--resume'], ['--shard', '1/2'], ['--local']]) {
    const refused = await score(model, 'refused', [...nowhere, ...flags]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(flags[0]!)]);
  }
  const unreached = await score(model, 'refused', nowhere);
  expect([unreached.code, unreached.stderr]).toEqual([2, expect.stringContaining('cannot be reached')]);
  expect(existsSync(join(folder, 'refused.shards'))).toBe(false);
});

async function shardJob(): Promise<ShardJob> {
  const { identity } = await inspectModel(model);
  return newJob(shardJobs, identity, {
    form: 'reference',
    qkSplit: 'rotary',
    rotaryOffsets: 64,
    bos: 'auto',
    engine: 'wasm',
    storeDtype: 'f32',
    directions: 'all',
    threshold: 0.5,
    positions: 'last',
    long: 'window',
    maxTokens: null,
    examples: 5,
    context: 16,
    maxRejected: 1000,
    format: null,
    data: [{ name: 'mine', file: { name: 'mine.jsonl', hash: '0'.repeat(64) } }],
    masks: null,
    shard: { index: 1, of: 2 },
  });
}
