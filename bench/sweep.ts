/**
 * A sweep of small runs against the same runs one after the other, a process each, and against the same sweep over a
 * queue: `node dist/bench/sweep.js [--runs 20] [--redis URL] [--json]`, after `npm run build`. Without --redis it starts
 * the machine's redis-server, if there is one. Checks that all ways give the same masks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { builtFile } from '../src/built-file.js';
import { packageFile } from '../src/package-file.js';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    redis: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const runs = Number(options.runs);

const SETTINGS = {
  task: 'ioi',
  engine: 'wasm',
  'train-pairs': '256',
  'validation-pairs': '32',
  'test-pairs': '100',
  steps: '40',
  'rounding-steps': '20',
  'control-seeds': '1',
};

/** Where the benchmark's own Redis listens, away from a real one. */
const PORT = 16_399;

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const environment = { ...process.env, ORTHOSCOPE_CACHE: join(scratch, 'cache') };
const helpers: ChildProcess[] = [];

try {
  const plan = join(scratch, 'plan.yaml');
  const fixed = Object.entries(SETTINGS).map(([key, value]) => `${key}: ${value}`);
  writeFileSync(plan, [...fixed, `matrix: {seed: 0..${runs - 1}}`, ''].join('\n'));
  const flags = Object.entries(SETTINGS).flatMap(([key, value]) => [`--${key}`, value]);
  // What all ways share is done before the clock starts.
  await orthoscope('decompose', packageFile('models/embedded'), '--quiet');

  const alone = await timed(async () => {
    for (let seed = 0; seed < runs; seed++)
      await orthoscope(
        'run',
        ...flags,
        '--seed',
        String(seed),
        '--out',
        join(scratch, 'alone', String(seed)),
      );
  });
  const local = await timed(() => orthoscope('sweep', plan, '--local', '--out', join(scratch, 'local')));
  const wanted = masksBySeed(join(scratch, 'alone'));
  check('the sweep', masksBySeed(join(scratch, 'local', 'runs')), wanted);

  const url = options.redis ?? (await startRedis());
  let queued: number | null = null;
  if (url !== null) {
    const worker = start(
      process.execPath,
      builtFile('cli/main.js'),
      'worker',
      '--redis',
      url,
      '--root',
      join(scratch, 'worker'),
    );
    await said(worker, 'waiting for runs');
    queued = await timed(() => orthoscope('sweep', plan, '--redis', url, '--out', join(scratch, 'queued')));
    check('the queue', masksBySeed(join(scratch, 'queued', 'runs')), wanted);
  }

  const result = {
    machine: `${availableParallelism()} × ${cpus()[0]?.model}`,
    runs,
    one_after_another_seconds: alone,
    sweep_seconds: local,
    sweep_ratio: local / alone,
    queue_seconds: queued,
    queue_overhead: queued === null ? null : queued / local - 1,
  };
  if (options.json) console.log(JSON.stringify(result, null, 2));
  else {
    console.log(`${runs} runs one after the other  ${alone.toFixed(1)} s`);
    console.log(
      `as a sweep  ${local.toFixed(1)} s, ratio ${result.sweep_ratio.toFixed(2)} (bound 0.6 on two cores)`,
    );
    console.log(
      queued === null
        ? 'over a queue: not measured, no redis-server here'
        : `over a queue  ${queued.toFixed(1)} s, ${(100 * result.queue_overhead!).toFixed(1)} % more (bound 5 %)`,
    );
  }
} finally {
  for (const helper of helpers) helper.kill('SIGKILL');
  await delay(200);
  rmSync(scratch, { recursive: true, force: true });
}

function start(command: string, ...args: string[]): ChildProcess {
  const child = spawn(command, args, { env: environment, cwd: scratch });
  helpers.push(child);
  return child;
}

function said(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk) => {
        output += chunk;
        if (output.includes(text)) resolve();
      });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(output)));
  });
}

async function startRedis(): Promise<string | null> {
  try {
    const server = start('redis-server', '--port', String(PORT), '--bind', '127.0.0.1', '--save', '');
    await said(server, 'Ready to accept connections');
    return `redis://127.0.0.1:${PORT}`;
  } catch {
    return null;
  }
}

async function orthoscope(...args: string[]): Promise<void> {
  const child = start(process.execPath, builtFile('cli/main.js'), ...args);
  let errors = '';
  child.stderr!.on('data', (text) => {
    errors += text;
  });
  child.stdout!.resume();
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(errors);
}

/** @returns seconds */
async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

function masksBySeed(folder: string): Map<number, Buffer> {
  return new Map(
    readdirSync(folder).map((name) => {
      const { seeds } = JSON.parse(readFileSync(join(folder, name, 'manifest.json'), 'utf8'));
      return [seeds.run as number, readFileSync(join(folder, name, 'masks.safetensors'))];
    }),
  );
}

function check(what: string, found: Map<number, Buffer>, wanted: Map<number, Buffer>): void {
  for (let seed = 0; seed < runs; seed++)
    if (!found.get(seed)?.equals(wanted.get(seed)!)) throw new Error(`${what}: other masks for seed ${seed}`);
}
