/**
 * A million short prompts on the embedded model, and what memory does meanwhile:
 * `node dist/bench/scoring-memory.js [--prompts N] [--engine NAME]`, after `npm run build`.
 * Writes the prompts, scores them in a process of its own and samples its resident memory every second.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtFile } from '../src/built-file.js';
import { packageFile } from '../src/package-file.js';

/** Seconds after which memory must stay flat. */
const WARM_UP = 60;

const option = (name: string, fallback: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1]!;
};
const prompts = Number(option('prompts', '1000000'));
const engine = option('engine', 'auto');
const folder = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
const model = packageFile('models/embedded');
const main = builtFile('cli/main.js');

try {
  const data = join(folder, 'prompts.jsonl');
  await writePrompts(data);
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [
      main,
      'score',
      model,
      '--data',
      data,
      '--out',
      join(folder, 'scores'),
      '--engine',
      engine,
      '--json',
      '--quiet',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const samples: [seconds: number, bytes: number][] = [];
  const sampling = setInterval(() => {
    const bytes = residentBytes(child.pid!);
    if (bytes !== null) samples.push([(performance.now() - started) / 1000, bytes]);
  }, 1000);
  const [code] = await once(child, 'close');
  clearInterval(sampling);
  if (code !== 0) throw new Error(`scoring ended with exit code ${code}`);
  report(JSON.parse(output), samples, (performance.now() - started) / 1000);
} finally {
  rmSync(folder, { recursive: true });
}

/** Prompts of the task, over and over; those that differ only in their line cost the same. */
async function writePrompts(path: string): Promise<void> {
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
  const lines = readFileSync(join(folder, 'task', 'train.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => `${JSON.stringify({ text: JSON.parse(line).clean })}\n`);
  const block = lines.join('');
  const stream = createWriteStream(path);
  for (let written = 0; written < prompts; written += lines.length)
    if (!stream.write(prompts - written >= lines.length ? block : lines.slice(0, prompts - written).join('')))
      await once(stream, 'drain');
  stream.end();
  await once(stream, 'close');
}

/** Resident memory of a process, from Linux's proc file system; null once it is gone. */
function residentBytes(pid: number): number | null {
  try {
    const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
    return 1024 * Number(kilobytes);
  } catch {
    return null;
  }
}

function report(
  { counters }: { counters: Record<string, { prompts: number; tokens: number }> },
  samples: readonly [number, number][],
  seconds: number,
): void {
  const { prompts: scored, tokens } = counters.prompts!;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  console.log(
    `${scored} prompts, ${tokens} tokens in ${seconds.toFixed(0)} s: ${(tokens / seconds).toFixed(0)} tokens/s`,
  );
  const settled = samples.filter(([at]) => at > WARM_UP).map(([, bytes]) => bytes);
  if (settled.length === 0) {
    console.log(`done within ${WARM_UP} s: give more --prompts to see what memory does later`);
    return;
  }
  const [least, most] = [Math.min(...settled), Math.max(...settled)];
  console.log(
    `resident memory after ${WARM_UP} s: ${mib(least)} to ${mib(most)}, ${((100 * (most - least)) / least).toFixed(1)} % apart`,
  );
  for (let i = 0; i < samples.length; i += Math.ceil(samples.length / 20))
    console.log(`${samples[i]![0].toFixed(0).padStart(6)} s  ${mib(samples[i]![1])}`);
}
