/**
 * One process that decomposes, runs and scores in turn, most calls cancelled at a random moment: `node --expose-gc
 * dist/bench/soak.js [--minutes N] [--rounds N] [--engine NAME] [--seed N]`, after `npm run build`. Two hours unless
 * told otherwise. Open files, threads and memory must stay what they were after the first rounds; exit code 1 if they
 * grow. Linux alone says how many there are. The suite runs a short form.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decompose } from '../src/commands/decompose.js';
import { run } from '../src/commands/run.js';
import { score } from '../src/commands/score.js';
import { InterruptedError } from '../src/errors.js';
import type { Listener } from '../src/progress.js';
import { Random } from '../src/random.js';
import type { ENGINE_CHOICES } from '../src/settings/choices.js';

const option = (name: string, fallback: string) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1]!;
};
const minutes = Number(option('minutes', '120'));
const rounds = Number(option('rounds', 'Infinity'));
const engine = option('engine', 'wasm') as (typeof ENGINE_CHOICES)[number];
const random = new Random(Number(option('seed', '0')));
const folder = mkdtempSync(join(tmpdir(), 'orthoscope-soak-'));
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
/** Rounds after which everything that is kept for good has been made. */
const WARM = 4;
/** What may come and go: files and threads of the moment, and a heap that grows until it is cleared. */
const SLACK = { files: 8, threads: 6, mebibytes: 150 };

const prompts = join(folder, 'prompts.jsonl');
writeFileSync(
  prompts,
  '{"clean":"When Mary and John went to the store, John gave a drink to"}\n'.repeat(200),
);

const sizes = { trainPairs: 32, validationPairs: 8, testPairs: 16 };
const jobs: Record<string, (out: string, listener: Listener) => Promise<unknown>> = {
  run: (out, listener) =>
    run(
      { out, engine, ...sizes, steps: 6, roundingSteps: 4, attack: 1, workers: 2, seed: random.integer(2) },
      listener,
    ),
  score: (out, listener) =>
    score({ run: 'embedded', data: [prompts], out, engine, directions: 'L0.mlp_in', workers: 2 }, listener),
  decompose: (out, listener) => decompose({ model: 'embedded', store: out, workers: 2 }, listener),
  failing: (out, listener) =>
    score({ run: 'embedded', data: [prompts], out, engine, directions: 'L9.mlp_in' }, listener),
};

interface Held {
  files: number;
  threads: number;
  mebibytes: number;
}

function held(): Held {
  globalThis.gc?.();
  return {
    files: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    mebibytes: process.memoryUsage.rss() / 2 ** 20,
  };
}

try {
  process.exitCode = await soak();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function soak(): Promise<number> {
  const started = performance.now();
  let first: Held | null = null;
  let last = held();
  let [cancelled, done] = [0, 0];
  const longest: Record<string, number> = {};
  for (let round = 0; round < rounds && performance.now() - started < minutes * 60_000; round++) {
    for (const [name, job] of Object.entries(jobs)) {
      const out = join(folder, `${name}-${round}`);
      const begun = performance.now();
      const abort = new AbortController();
      // The first round says how long each takes.
      const cancels = round > 0 && random.uniform() < 0.7;
      const timer = cancels && setTimeout(() => abort.abort(), random.uniform() * longest[name]!);
      const outcome = await job(out, { signal: abort.signal }).then(
        () => 'done',
        (error: Error) => (error instanceof InterruptedError ? 'cancelled' : error.name),
      );
      if (timer) clearTimeout(timer);
      if (outcome === 'cancelled') cancelled++;
      else if (outcome === 'done' || name === 'failing') done++;
      else throw new Error(`${name}: ${outcome}`);
      longest[name] ??= performance.now() - begun;
      rmSync(out, { recursive: true, force: true });
    }
    // Threads that were ended take a moment to go.
    await new Promise((wait) => setTimeout(wait, 300));
    last = held();
    if (round === WARM - 1) first = last;
    if (round % 5 === 0 || round === WARM - 1)
      console.log(
        `round ${round + 1}: ${cancelled} cancelled, ${done} to their end; ${last.files} files, ${last.threads} threads, ${last.mebibytes.toFixed(0)} MiB`,
      );
  }
  if (!first) throw new Error(`fewer than ${WARM} rounds say nothing`);
  const grown = (Object.keys(SLACK) as (keyof Held)[]).filter((key) => last[key] > first[key] + SLACK[key]);
  console.log(
    `${cancelled} cancelled, ${done} to their end in ${((performance.now() - started) / 1000).toFixed(0)} s: ` +
      (Object.keys(SLACK) as (keyof Held)[])
        .map((key) => `${key} ${first[key].toFixed(0)} → ${last[key].toFixed(0)}`)
        .join(', '),
  );
  if (grown.length > 0) console.log(`grew: ${grown.join(', ')}`);
  return grown.length === 0 ? 0 : 1;
}
