/**
 * What it costs to share batches with another machine, by the latency between the two: two processes with one core
 * each, in network namespaces of their own with a line between that delays packets (`bench/delay-line.py`), against one
 * process with one core. As root on Linux with `ip`, `taskset` and Python 3, after `npm run build`:
 *
 *     node dist/bench/share.js [--model embedded] [--engine wasm] [--batch 32] [--steps 12] [--positions last]
 *                              [--delays 0,0.2,1,5,20] [--rounds 3] [--store FOLDER] [--cores 0,1]
 *                              [--window keep] [--json]
 *
 * Delays are milliseconds of a round trip. Rounds take turns, and a row is the median of the steps of all of them; KL must
 * be that of one process to rounding. The line itself takes processor time, which a cable does not.
 * `--window keep` has TCP remember how much may be under way while nothing is: each step is a burst after a pause.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { builtFile } from '../src/built-file.js';
import { trainMasks } from '../src/masks/train.js';
import { loadData } from '../src/run/data.js';
import { withSubject } from '../src/run/subject.js';
import { openWorkbench, workload } from '../src/run/workbench.js';
import { parseAddress } from '../src/settings/address.js';
import { complete } from '../src/settings/complete.js';
import { quantile } from '../src/statistics/summary.js';
import { execute, FAR, outputOf, said, withLine } from './delay-line.js';
import { processorFeatures } from './processor.js';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'embedded' },
    engine: { type: 'string', default: 'wasm' },
    batch: { type: 'string', default: '32' },
    steps: { type: 'string', default: '12' },
    positions: { type: 'string', default: 'last' },
    delays: { type: 'string', default: '0,0.2,1,5,20' },
    rounds: { type: 'string', default: '3' },
    window: { type: 'string', default: 'forget' },
    store: { type: 'string' },
    cores: { type: 'string', default: '0,1' },
    json: { type: 'boolean', default: false },
    /** Address of the other machine, in the process that measures. */
    child: { type: 'string' },
  },
});

const LOOPBACK = '127.0.0.1:7400';
/** TensorFlow takes as many threads as it is told, whatever cores there are. */
const ONE_THREAD = { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1', OMP_NUM_THREADS: '1' };
const TOKEN = 'both ends of one benchmark';

interface Measured {
  /** Of each step. */
  seconds: number[];
  /** KL of each step: the masks went the same way. */
  kl: number[];
  /** Milliseconds in which a connection comes about. */
  roundTrip: number | null;
  /** Bytes over the line in a step, there and back, packets' headers included; null where there is no line. */
  bytes: { sent: number; received: number } | null;
}

/** What was measured, round by round, by the row's name. */
type Rows = ReadonlyMap<string, readonly Measured[]>;

if (options.child !== undefined) console.log(JSON.stringify(await measure(options.child)));
else await compare();

/** Steps of training in this process; the other machine's address, or `alone`. */
async function measure(other: string): Promise<Measured> {
  const batchSize = Number(options.batch);
  const settings = complete('run', {
    model: options.model,
    task: 'ioi',
    engine: options.engine as 'wasm',
    positions: options.positions as 'last',
    store: options.store ?? null,
    batchSize,
    steps: Number(options.steps),
    roundingSteps: 0,
    trainPairs: 4 * batchSize,
  });
  return withSubject(options.model, settings, async (subject) => {
    const data = await loadData(subject, settings, ['train']);
    const share = other === 'alone' ? null : [other];
    const roundTrip = share && (await connectionTime(other));
    const { runner } = await openWorkbench(subject, workload(data, batchSize), { ...settings, share });
    const train = await runner.prepare(data.splits.train!, settings);
    const [seconds, kl]: number[][] = [[], []];
    const before = counters();
    await trainMasks(
      {
        directions: runner.layout.size,
        pairs: train.length,
        evaluate: (indices, masks) => train.objective(indices, masks, settings.loss),
        validate: async () => 1,
      },
      settings,
      0,
      {
        onHistory: (line) => {
          if (line.validation) return;
          seconds!.push(line.seconds);
          kl!.push(line.kl!);
        },
      },
    );
    const after = counters();
    await runner.close();
    const each = (name: 'sent' | 'received') => (after![name] - before![name]) / seconds!.length;
    const bytes = before && after ? { sent: each('sent'), received: each('received') } : null;
    return { seconds: seconds!, kl: kl!, roundTrip, bytes };
  });
}

/** What the line has carried, from this namespace. */
function counters(): { sent: number; received: number } | null {
  const line = /^\s*line:\s*(.*)$/m.exec(readFileSync('/proc/net/dev', 'utf8'))?.[1];
  if (line === undefined) return null;
  const fields = line.trim().split(/\s+/).map(Number);
  return { received: fields[0]!, sent: fields[8]! };
}

/** Milliseconds, the least of several: one round trip. */
async function connectionTime(other: string): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < 9; at++) {
    const started = performance.now();
    const socket = connect(parseAddress(other));
    await once(socket, 'connect');
    times.push(performance.now() - started);
    socket.destroy();
  }
  return Math.min(...times);
}

async function compare(): Promise<void> {
  const scratch = options.store ? null : mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
  const store = options.store ?? join(scratch!, 'store');
  const [nearCore, farCore] = options.cores.split(',') as [string, string];
  const rows = new Map<string, Measured[]>();
  const add = (name: string, measured: Measured) => {
    rows.set(name, [...(rows.get(name) ?? []), measured]);
    process.stderr.write(`${name}: ${median(settled([measured])).toPrecision(3)} s a step\n`);
  };
  try {
    execute('node', [builtFile('cli/main.js'), 'decompose', options.model, '--quiet', '--store', store]);
    for (let round = 0; round < Number(options.rounds); round++) {
      add('one process', await child([], nearCore, store, 'alone'));
      await withWorker([], farCore, store, LOOPBACK, async () => {
        add('two, no line between', await child([], nearCore, store, LOOPBACK));
      });
      for (const delay of options.delays.split(','))
        await withLine({ delay, keepWindow: options.window === 'keep' }, async ({ near, far }) => {
          await withWorker(far, farCore, store, FAR, async () => {
            add(`two, ${delay} ms`, await child(near, nearCore, store, FAR));
          });
        });
    }
  } finally {
    if (scratch) rmSync(scratch, { recursive: true, force: true });
  }
  agree(rows);
  if (options.json) console.log(JSON.stringify(Object.fromEntries(rows), null, 2));
  else table(rows);
}

/** A process on one core, within a namespace if `inside` says so. */
function start(inside: readonly string[], core: string, args: readonly string[]): ChildProcess {
  const [command, ...rest] = [...inside, 'taskset', '-c', core, process.execPath, ...args];
  return spawn(command!, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...ONE_THREAD, ORTHOSCOPE_SHARE_TOKEN: TOKEN },
  });
}

async function child(
  inside: readonly string[],
  core: string,
  store: string,
  other: string,
): Promise<Measured> {
  const { model, engine, batch, steps, positions } = options;
  const given = { model, engine, batch, steps, positions, store, child: other };
  const flags = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
  return JSON.parse(
    await outputOf(start(inside, core, [fileURLToPath(import.meta.url), ...flags])),
  ) as Measured;
}

/** Works with another machine that listens. */
async function withWorker(
  inside: readonly string[],
  core: string,
  store: string,
  listen: string,
  work: () => Promise<void>,
): Promise<void> {
  const { model } = options;
  const flags = ['--listen', listen, '--model', model, '--store', store, '--jobs', '1'];
  const worker = start(inside, core, [builtFile('cli/main.js'), 'worker', ...flags]);
  const ended = once(worker, 'close');
  try {
    await said(worker, worker.stderr!, 'listening on');
    await work();
  } finally {
    worker.kill();
    await ended;
  }
}

function agree(rows: Rows): void {
  const [[alone] = []] = rows.values();
  for (const [name, measured] of rows)
    for (const { kl } of measured)
      kl.forEach((value, step) => {
        if (Math.abs(value / alone!.kl[step]! - 1) > 1e-3)
          throw new Error(`${name}: KL ${value} at step ${step}, and ${alone!.kl[step]} by one process`);
      });
}

/** Seconds of the steps, ascending; without the first of each round, in which everything is new. */
function settled(measured: readonly Measured[]): number[] {
  return measured.flatMap(({ seconds }) => seconds.slice(1)).sort((a, b) => a - b);
}

function median(ascending: readonly number[]): number {
  return quantile(ascending, 0.5);
}

function table(rows: Rows): void {
  const { model, engine, batch, steps, positions, rounds } = options;
  const tcp = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  console.log(`${cpus()[0]?.model.trim()} (${processorFeatures()}), Node ${process.version}, TCP's ${tcp}`);
  console.log(
    `${model} on ${engine}, batches of ${batch} IOI pairs, masks on ${positions}, ${rounds} × ${steps} steps\n`,
  );
  console.log('| | round trip | seconds a step (middle half) | times one process | sent, received a step |');
  console.log('|---|---|---|---|---|');
  let alone: number | undefined;
  for (const [name, measured] of rows) {
    const seconds = settled(measured);
    const taken = median(seconds);
    alone ??= taken;
    const half = [0.25, 0.75].map((q) => quantile(seconds, q).toPrecision(3)).join(' to ');
    const { roundTrip, bytes } = measured[0]!;
    const megabytes = (count: number) => `${(count / 1e6).toPrecision(3)} MB`;
    console.log(
      `| ${name} | ${roundTrip === null ? '' : `${roundTrip.toFixed(2)} ms`} | ${taken.toPrecision(3)} (${half}) ` +
        `| ${(alone / taken).toFixed(2)} | ${bytes ? `${megabytes(bytes.sent)}, ${megabytes(bytes.received)}` : ''} |`,
    );
  }
}
