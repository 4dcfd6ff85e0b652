/**
 * What a run's page is made of, and what each part takes: `node dist/bench/page-readings.js RUN [--model FOLDER]
 * [--store FOLDER] [--engine native-cpu] [--prompts 6] [--rounds 1] [--answers FOLDER]`. Reads the circuit as `run` does
 * after its evaluation. Processor seconds over all threads, from one report of progress to the next, which is of the
 * part that ends there; the least of the rounds. With --answers the files are kept in that folder, or held to those of
 * an earlier version that lie there already. What `run --dry-run` says of it stands beside what it took: kept to one
 * core (`taskset -c 0`) its seconds are the processor's.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { interpret } from '../src/commands/interpret.js';
import type { EngineChoice } from '../src/engine/engine.js';
import { readParquetRows } from '../src/formats/parquet-file.js';
import { PAGE_READING, PROMPT_CARDS, SIZES } from '../src/interpret/for-page.js';
import { estimatePageReading, type PageEstimate } from '../src/interpret/page-estimate.js';
import { loadData } from '../src/run/data.js';
import { ownSettings } from '../src/run/own-settings.js';
import { sourceOf } from '../src/run/source.js';
import { withSubject } from '../src/run/subject.js';
import { complete } from '../src/settings/complete.js';
import { namedEngine, processorFeatures } from './processor.js';

const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    store: { type: 'string' },
    engine: { type: 'string', default: 'auto' },
    prompts: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '1' },
    answers: { type: 'string' },
  },
});
const [folder] = positionals;
if (!folder) throw new Error('usage: node dist/bench/page-readings.js RUN [--store FOLDER] [--rounds N]');
const { answers } = options;
const engine = options.engine as EngineChoice;
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
try {
  console.log(
    `${cpus()[0]?.model.trim()} (${processorFeatures()}), ${availableParallelism()} cores, ${await namedEngine(engine)}`,
  );
  const foreseen = await forecast();
  const least = new Map<string, number>();
  let out = '';
  for (let round = 0; round < Number(options.rounds); round++) {
    out = join(scratch, `reading-${round}`);
    for (const [part, seconds] of await readingBy(out))
      least.set(part, Math.min(seconds, least.get(part) ?? Number.POSITIVE_INFINITY));
  }
  console.log('| part | processor seconds |\n|---|---|');
  for (const [part, seconds] of least) console.log(`| ${part} | ${seconds.toFixed(1)} |`);
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  console.log(
    `\nforeseen: ${foreseen.seconds.toFixed(1)} s and ${mib(foreseen.memory_bytes)}; ` +
      `at most ${mib(1024 * process.resourceUsage().maxRSS)} were taken`,
  );
  if (answers && !existsSync(answers)) cpSync(out, answers, { recursive: true });
  else if (answers) await compare(answers, out);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** What `run` would have said of it. */
async function forecast(): Promise<PageEstimate> {
  const { model, run } = await sourceOf(folder!, options.model ?? null);
  const settings = complete('evaluate', { run: folder! }, ownSettings(run!));
  return withSubject(model, settings, async (subject) => {
    const { splits } = await loadData(subject, settings, ['test']);
    const { test = [] } = splits;
    return estimatePageReading(subject.model, test, {
      pagePrompts: Number(options.prompts),
      rounds: true,
      engine,
    });
  });
}

/** Processor seconds by part, all of them first. */
async function readingBy(out: string): Promise<Map<string, number>> {
  const parts = new Map([['all', 0]]);
  let before = process.cpuUsage();
  const add = (part: string) => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    for (const name of ['all', part]) parts.set(name, (parts.get(name) ?? 0) + (user + system) / 1e6);
  };
  await interpret(
    {
      ...{ run: folder!, out, ...PAGE_READING, traced: Number(options.prompts), engine },
      ...(options.model && { model: options.model }),
      ...(options.store && { store: options.store }),
    },
    { onProgress: ({ stage }) => add(stage) },
  );
  add('the rest');
  return parts;
}

async function compare(before: string, after: string): Promise<void> {
  const contents = (path: string): unknown => {
    const text = readFileSync(path, 'utf8').trim();
    return JSON.parse(path.endsWith('l') ? `[${text.replaceAll('\n', ',')}]` : text);
  };
  console.log(
    '\n| file | numbers | largest difference | of the largest number there | only in one |\n|---|---|---|---|---|',
  );
  for (const name of [SIZES, PROMPT_CARDS]) {
    const [old, now] = [before, after].map((path) => join(path, name));
    if (existsSync(old!)) say(name, contents(old!), contents(now!));
  }
  const [old, now] = await Promise.all(
    [before, after].map((path) => columns(join(path, 'readings.parquet'))),
  );
  for (const [name, values] of old!) say(name, values, now!.get(name));
}

async function columns(path: string): Promise<Map<string, unknown[]>> {
  const found = new Map<string, unknown[]>();
  for await (const row of readParquetRows(path))
    for (const [name, value] of Object.entries(row)) {
      const own = found.get(name) ?? [];
      own.push(value);
      found.set(name, own);
    }
  return found;
}

/** Lists of named things by name: what is nearly equal may come in any order, and the last of a list be another. */
function keyed(value: unknown): Map<string, unknown> | null {
  if (typeof value !== 'object' || value === null) return null;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  const names = value.map((each) => each?.class ?? each?.id ?? (Array.isArray(each) ? each[0] : null));
  const named = names.every((name) => name !== null) && new Set(names).size === names.length;
  return new Map(value.map((each, at) => [String(named ? names[at] : at), each]));
}

function say(what: string, before: unknown, after: unknown): void {
  const found = { numbers: 0, difference: 0, largest: 0, other: 0 };
  const walk = (a: unknown, b: unknown) => {
    if (typeof a === 'number' && typeof b === 'number') {
      found.numbers++;
      found.difference = Math.max(found.difference, Math.abs(a - b));
      found.largest = Math.max(found.largest, Math.abs(a));
      return;
    }
    const [left, right] = [keyed(a), keyed(b)];
    if (left && right) {
      for (const key of new Set([...left.keys(), ...right.keys()]))
        if (left.has(key) && right.has(key)) walk(left.get(key), right.get(key));
        else found.other++;
    } else if (!Object.is(a, b)) found.other++;
  };
  walk(before, after);
  const { numbers, difference, largest, other } = found;
  const share = largest === 0 ? 0 : difference / largest;
  console.log(
    `| ${what} | ${numbers} | ${difference.toExponential(1)} | ${share.toExponential(1)} | ${other} |`,
  );
}
