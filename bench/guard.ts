/**
 * Is this working tree slower than a commit? `node dist/bench/guard.js [--against HEAD~1] [--built FOLDER]
 * [--pairs 3] [--only train,score] [--most 1.1] [--json]`, after `npm run build`.
 *
 * The commit is checked out beside, built with this tree's packages (or taken from `--built`, where it already is), and
 * each case is run by both, in turn and in changing order. Counted is the processor's time of the process and of all
 * that it starts, which other work on the machine changes less than a clock's. Answers are compared before times. The
 * noise is what the commit shows against itself. Ends with exit code 1 where a case's median ratio is above `--most`
 * and above the noise, or an answer differs. Linux and macOS (bash).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readParquetRows } from '../src/formats/parquet-file.js';
import { packageFile } from '../src/package-file.js';
import { quantile } from '../src/statistics/summary.js';
import { processorFeatures } from './processor.js';

const { values: options } = parseArgs({
  options: {
    against: { type: 'string', default: 'HEAD~1' },
    built: { type: 'string' },
    pairs: { type: 'string', default: '3' },
    only: { type: 'string' },
    most: { type: 'string', default: '1.1' },
    json: { type: 'boolean', default: false },
  },
});

/** A command that both sides run, and what it leaves behind that must be the same. */
interface Case {
  args(out: string): string[];
  /** Bytes as text; or figures, which rounding may move by TOLERANCE. */
  answer(out: string): Promise<string | number[]>;
}

/** A folder with a built orthoscope. */
type Side = string;

/** By how much figures may differ. */
const TOLERANCE = 1e-5;

const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-guard-'));
const model = packageFile('models/embedded');
const prompts = join(scratch, 'prompts', 'test.jsonl');
const trained = join(scratch, 'trained');

const train = (task: string): Case => ({
  args: (out) => ['train', model, '--task', task, '--engine', 'wasm', '--workers', '1', '--out', out],
  answer: async (out) => hashOf(join(out, 'masks.safetensors')),
});

const CASES: Record<string, Case> = {
  'train ioi': train('ioi'),
  'train gendered-pronoun': train('gendered-pronoun'),
  evaluate: {
    args: (out) => [
      ...['evaluate', model, '--task', 'ioi', '--masks', join(trained, 'masks.safetensors')],
      ...['--engine', 'wasm', '--workers', '1', '--out', out],
    ],
    answer: async (out) => {
      const { splits } = JSON.parse(readFileSync(join(out, 'metrics.json'), 'utf8'));
      const { kl, exact_match, accuracy } = splits.test.binarised;
      return [kl, exact_match, accuracy];
    },
  },
  score: {
    args: (out) => [
      ...['score', model, '--data', prompts, '--directions', 'all', '--positions', 'all'],
      ...['--engine', 'wasm', '--workers', '1', '--out', out],
    ],
    answer: async (out) => {
      const means: number[] = [];
      for await (const { n, mean } of readParquetRows(join(out, 'directions.parquet')))
        means.push(Number(n), Number(mean));
      return means;
    },
  },
  decompose: {
    args: (out) => ['decompose', model, '--store', out, '--workers', '1'],
    answer: async () => '',
  },
  start: { args: () => ['model', model], answer: async () => '' },
};

interface Row {
  case: string;
  /** Median seconds of processor time. */
  seconds: { here: number; commit: number };
  /** Of each pair, this tree's time over the commit's. */
  ratios: number[];
  /** Of each pair, the commit's second time over its first. */
  noise: number[];
  same: boolean;
}

let exit = 0;
try {
  const commit = options.built ?? buildOf(options.against);
  const here = packageFile('.');
  for (const side of [here, commit]) orthoscope(side, ['decompose', model, '--quiet']);
  orthoscope(here, [
    'task',
    model,
    '--task',
    'ioi',
    '--test-pairs',
    '1500',
    '--out',
    join(scratch, 'prompts'),
  ]);
  orthoscope(here, [...train('ioi').args(trained), '--quiet']);
  const only = options.only?.split(',');
  const rows: Row[] = [];
  for (const [name, one] of Object.entries(CASES))
    if (!only || only.some((part) => name.startsWith(part)))
      rows.push(await compared(name, one, here, commit));
  exit = report(rows) ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exitCode = exit;

async function compared(name: string, { args, answer }: Case, here: Side, commit: Side): Promise<Row> {
  const run = async (side: Side) => {
    const out = join(mkdtempSync(join(scratch, 'run-')), 'out');
    const seconds = orthoscope(side, [...optionsOf(side, args(out)[0]!), ...args(out), '--quiet']);
    return { seconds, answer: await answer(out) };
  };
  const seconds = { here: [] as number[], commit: [] as number[] };
  const [ratios, noise]: [number[], number[]] = [[], []];
  let same = true;
  for (let pair = 0; pair < Number(options.pairs); pair++) {
    const order = pair % 2 === 0 ? [here, commit, commit] : [commit, commit, here];
    const found = [];
    for (const side of order) found.push({ side, ...(await run(side)) });
    const own = found.find(({ side }) => side === here)!;
    const [first, second] = found.filter(({ side }) => side === commit);
    same &&= agree(own.answer, first!.answer) && agree(first!.answer, second!.answer);
    seconds.here.push(own.seconds);
    seconds.commit.push(first!.seconds, second!.seconds);
    ratios.push((2 * own.seconds) / (first!.seconds + second!.seconds));
    noise.push(second!.seconds / first!.seconds);
  }
  return {
    case: name,
    seconds: { here: median(seconds.here), commit: median(seconds.commit) },
    ratios,
    noise,
    same,
  };
}

function agree(a: string | number[], b: string | number[]): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return a.length === b.length && a.every((value, at) => Math.abs(value - b[at]!) <= TOLERANCE);
}

/** What a side needs to do the same work: no attack, which an older commit does not know. */
function optionsOf(side: Side, command: string): string[] {
  if (command !== 'evaluate') return [];
  const help = execFileSync(process.execPath, [join(side, 'dist/cli/main.js'), command, '--help'], {
    encoding: 'utf8',
  });
  return help.includes('--attack') ? ['--attack', '0'] : [];
}

/** @returns seconds of processor time, of the process and of those that it starts */
function orthoscope(side: Side, args: readonly string[]): number {
  const script = '"$@" >&2; code=$?; times; exit $code';
  const command = [process.execPath, join(side, 'dist/cli/main.js'), ...args];
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...command], {
    encoding: 'utf8',
    env: { ...process.env, ORTHOSCOPE_CACHE: join(scratch, 'cache') },
  });
  if (status !== 0) throw new Error(`${command.join(' ')}: exit code ${status}\n${stderr.slice(-2000)}`);
  // The second line is of the children: user and system.
  const parts = [
    ...stdout
      .trim()
      .split('\n')
      .at(-1)!
      .matchAll(/(\d+)m([\d.]+)s/g),
  ];
  return parts.reduce((sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds), 0);
}

function buildOf(revision: string): Side {
  const root = packageFile('.');
  const folder = join(scratch, 'commit');
  execFileSync('git', ['clone', '--quiet', '--shared', root, folder]);
  execFileSync('git', ['-C', folder, 'checkout', '--quiet', git(root, 'rev-parse', revision)]);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: folder, stdio: ['ignore', 2, 2] });
  return folder;
}

function git(folder: string, ...args: string[]): string {
  return execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim();
}

/** @returns whether no case is slower, and all answers are the same */
function report(rows: readonly Row[]): boolean {
  const most = Number(options.most);
  const slower = ({ ratios, noise }: Row) =>
    median(ratios) > most && median(ratios) > Math.max(...noise.map((ratio) => Math.max(ratio, 1 / ratio)));
  const fine = rows.every((row) => row.same && !slower(row));
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${processorFeatures()}, Node ${process.version}`;
  if (options.json) console.log(JSON.stringify({ machine, against: options.against, rows }, null, 1));
  else {
    console.log(`${machine}; against ${options.built ? 'a built tree' : options.against}\n`);
    console.log(
      '| case | processor seconds, here | commit | ratio | of each pair | commit against itself | answers |',
    );
    console.log('|---|---|---|---|---|---|---|');
    const list = (values: readonly number[]) => values.map((value) => value.toFixed(2)).join(', ');
    for (const row of rows)
      console.log(
        `| ${row.case} | ${row.seconds.here.toFixed(2)} | ${row.seconds.commit.toFixed(2)} | ${median(row.ratios).toFixed(3)} ` +
          `| ${list(row.ratios)} | ${list(row.noise)} | ${row.same ? 'the same' : '**differ**'}${slower(row) ? ', **slower**' : ''} |`,
      );
  }
  return fine;
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}
