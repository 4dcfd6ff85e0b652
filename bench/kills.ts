/**
 * Commands that are killed at random moments and begun again: `node dist/bench/kills.js [--kills N] [--steps N]
 * [--repeats N] [--seed N] [--only COMMAND]`, after `npm run build`. N kills of each of run, train, decompose, score and sweep, twenty
 * unless told otherwise. Fails unless the files are those of a command that nobody disturbed, with no temporary file and
 * no lock left. The suite runs a short form.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { builtFile } from '../src/built-file.js';
import { isTemporaryName } from '../src/formats/atomic-file.js';
import { LOCK } from '../src/formats/folder-lock.js';
import { Random } from '../src/random.js';

const option = (name: string, fallback: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1]!;
};
const kills = Number(option('kills', '20'));
const steps = option('steps', '40');
const only = option('only', '');
const random = new Random(Number(option('seed', '1')));
const folder = mkdtempSync(join(tmpdir(), 'orthoscope-kills-'));
const main = builtFile('cli/main.js');
const data = join(folder, 'prompts.jsonl');
const plan = join(folder, 'plan.yaml');

/** What is done into a folder, and which of its files must come out the same. */
interface Command {
  args(out: string): string[];
  compared: RegExp;
}

const engine = ['--engine', 'wasm'];
const training = [
  '--train-pairs',
  '64',
  '--validation-pairs',
  '16',
  '--test-pairs',
  '32',
  '--steps',
  steps,
].concat(['--rounding-steps', steps, '--workers', '1', '--resume'], engine);
const commands: Record<string, Command> = {
  run: {
    args: (out) => ['run', '--out', out, '--attack', '1', ...training],
    compared: /^(masks\.safetensors|metrics\.json|prompts\.jsonl|history\.jsonl)$/,
  },
  train: {
    args: (out) => ['train', 'embedded', '--task', 'ioi', '--out', out, ...training],
    compared: /^(masks\.safetensors|history\.jsonl)$/,
  },
  decompose: { args: (out) => ['decompose', 'embedded', '--store', out], compared: /\.safetensors$/ },
  score: {
    args: (out) =>
      ['score', 'embedded', '--data', data, '--out', out, '--resume', '--checkpoint-seconds', '1'].concat(
        ['--max-rejected', '1000'],
        engine,
      ),
    compared: /^(directions\.parquet|examples\.parquet|counts\.json|rejected\.jsonl)$/,
  },
  sweep: {
    args: (out) => ['sweep', plan, '--out', out, '--local'],
    compared: /(masks\.safetensors|prompts\.jsonl|metrics\.json|history\.jsonl)$/,
  },
};

try {
  const task = join(folder, 'task');
  execFileSync(process.execPath, [main, 'task', 'embedded', '--task', 'ioi', '--out', task, '--quiet']);
  const pairs = readFileSync(join(task, 'train.jsonl'), 'utf8');
  // A malformed line now and then, so that what is rejected has to come out the same, too.
  writeFileSync(data, `${pairs}not json\n`.repeat(Number(option('repeats', '10'))));
  writeFileSync(
    plan,
    'task: ioi\nengine: wasm\ntrain-pairs: 32\nvalidation-pairs: 8\ntest-pairs: 16\nsteps: 10\nrounding-steps: 8\nattack: 0\nmatrix:\n  seed: 0..1\n',
  );
  for (const [name, command] of Object.entries(commands))
    if (name.includes(only)) await killed(name, command);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function killed(name: string, command: Command): Promise<void> {
  const [calm, disturbed] = [join(folder, `${name}-calm`), join(folder, `${name}-killed`)];
  const started = performance.now();
  await sitting(command.args(calm), null);
  const whole = performance.now() - started;
  let count = 0;
  while (count < kills) {
    const ended = await sitting(command.args(disturbed), random.uniform() * whole);
    if (!ended) count++;
    // Got to the end all the same: compared, and begun anew.
    else compare(name, calm, disturbed, command.compared);
  }
  await sitting(command.args(disturbed), null);
  compare(name, calm, disturbed, command.compared);
  console.log(`${name}: killed ${count} times, the same files; ${(whole / 1000).toFixed(1)} s undisturbed`);
}

/** @throws Error unless the folder that was killed in holds what the other does; then removes it */
function compare(name: string, calm: string, disturbed: string, compared: RegExp): void {
  const files = (root: string) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) =>
      statSync(join(root, path)).isFile(),
    );
  const wanted = files(calm).filter((path) => compared.test(path));
  if (wanted.length === 0) throw new Error(`${name}: nothing to compare`);
  for (const path of wanted) {
    const [a, b] = [calm, disturbed].map((root) => content(join(root, path)));
    if (a !== b) throw new Error(`${name}: ${path} came out differently`);
  }
  // A store has no lock: other processes may be writing there at this moment, and nobody removes their files.
  const left =
    name === 'decompose'
      ? []
      : files(disturbed).filter((path) => isTemporaryName(basename(path)) || basename(path) === LOCK);
  if (left.length > 0) throw new Error(`${name}: left ${left.join(', ')}`);
  rmSync(disturbed, { recursive: true });
}

/** A file without the time that things took. */
function content(path: string): string {
  const text = readFileSync(path, 'latin1');
  return path.endsWith('.jsonl') || path.endsWith('.json')
    ? text.replace(/"\w*seconds":[\d.e+-]+/g, '')
    : text;
}

/** One process; killed after `after` milliseconds if it has not ended by then. @returns whether it ended by itself */
async function sitting(args: string[], after: number | null): Promise<boolean> {
  const child = spawn(process.execPath, [main, ...args, '--quiet'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ORTHOSCOPE_CACHE: join(folder, 'cache') },
  });
  const timer = after === null ? null : setTimeout(() => child.kill('SIGKILL'), after);
  const [code, signal] = await once(child, 'close');
  if (timer) clearTimeout(timer);
  if (signal === null && code !== 0) throw new Error(`${args[0]} ended with exit code ${code}`);
  return signal === null;
}
