/**
 * Scoring that is killed at random moments, ten times, and resumed: `node dist/bench/scoring-kills.js [--kills N]
 * [--seed N]`, after `npm run build`. Fails unless the tables are those of a run that nobody disturbed.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtFile } from '../src/built-file.js';
import { packageFile } from '../src/package-file.js';
import { Random } from '../src/random.js';

const option = (name: string, fallback: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const kills = option('kills', 10);
const random = new Random(option('seed', 1));
const folder = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const model = packageFile('models/embedded');
const main = builtFile('cli/main.js');
const data = join(folder, 'prompts.jsonl');

try {
  execFileSync(process.execPath, [
    main,
    'task',
    model,
    '--task',
    'ioi',
    '--out',
    join(folder, 'task'),
    '--quiet',
  ]);
  const pairs = readFileSync(join(folder, 'task', 'train.jsonl'), 'utf8');
  // A malformed line now and then, so that what is rejected has to come out the same, too.
  writeFileSync(data, `${pairs}not json\n`.repeat(40));
  const started = performance.now();
  await sitting('undisturbed', null);
  const whole = performance.now() - started;
  let killed = 0;
  while (killed < kills) {
    const ended = await sitting('killed', random.uniform() * whole);
    if (!ended) killed++;
    // Got to the end all the same: compared, and begun anew.
    else compare();
  }
  await sitting('killed', null);
  compare();
  console.log(`killed ${killed} times, the same files; ${(whole / 1000).toFixed(0)} s undisturbed`);
} finally {
  rmSync(folder, { recursive: true });
}

/** @throws Error unless the run that was killed left what the undisturbed one did; then removes it */
function compare(): void {
  for (const name of ['directions.parquet', 'examples.parquet', 'counts.json', 'rejected.jsonl']) {
    const [a, b] = ['undisturbed', 'killed'].map((run) => readFileSync(join(folder, run, name)));
    if (!a!.equals(b!)) throw new Error(`${name} came out differently`);
  }
  rmSync(join(folder, 'killed'), { recursive: true });
}

/** One process; killed after `after` milliseconds if it has not ended by then. @returns whether it ended by itself */
async function sitting(out: string, after: number | null): Promise<boolean> {
  const args = [
    '--data',
    data,
    '--out',
    join(folder, out),
    '--resume',
    '--checkpoint-seconds',
    '1',
    '--quiet',
  ];
  const child = spawn(process.execPath, [main, 'score', model, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const timer = after === null ? null : setTimeout(() => child.kill('SIGKILL'), after);
  const [code, signal] = await once(child, 'close');
  if (timer) clearTimeout(timer);
  if (signal === null && code !== 0) throw new Error(`scoring ended with exit code ${code}`);
  return signal === null;
}
