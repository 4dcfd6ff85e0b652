/**
 * What `--dry-run` predicts against what a command takes: `node dist/bench/costs.js [--models embedded,gpt2,FOLDER]
 * [--commands decompose,train,evaluate,score] [--engine wasm] [--steps 6] [--cores one|all]`, after `npm run build`. `gpt2` is a folder of
 * GPT-2 small's shape with weights by seed; `1b` and `3b` are of those of Llama 3.2 with its vocabulary, `1b:2` with two
 * layers of them. What is evaluated is a random circuit of a twentieth of the directions. What `orthoscope model embedded`
 * takes for a prompt is taken off, since no prediction counts the start of a process and of an engine. By default all of it
 * is given one core and one worker, so that the processor's seconds are the time that a command takes there if nothing
 * else runs, and can be compared where other work goes on; `--cores all` lets the commands choose and reads the clock,
 * on a machine on which nothing else runs. Linux alone (/proc, taskset).
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readMasks, writeMasks } from '../src/masks/masks-file.js';
import { packageFile } from '../src/package-file.js';
import { Random } from '../src/random.js';
import { writeGpt2Small } from './gpt2-folder.js';
import { LLAMA_SHAPES, writeLlama } from './llama-folder.js';
import { namedEngine } from './processor.js';

const PAIRS = 96;
const PROMPT_TOKENS = 18;
/** Ids that every vocabulary has. */
const IDS = 200;
/** Clock ticks a second of /proc, on all Linux that Node runs on. */
const TICKS = 100;

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'embedded,gpt2' },
    commands: { type: 'string', default: 'decompose,train,evaluate,score' },
    engine: { type: 'string', default: 'wasm' },
    steps: { type: 'string', default: '6' },
    cores: { type: 'string', default: 'one' },
  },
});
const oneCore = options.cores === 'one';

/** Seconds and bytes. */
interface Cost {
  seconds: number;
  memory: number;
}

const main = packageFile('dist/cli/main.js');
const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-costs-'));
try {
  const start = await measured(['model', 'embedded', '--engine', options.engine, '--prompt', 'a', '--json']);
  const data = join(scratch, 'pairs.jsonl');
  writeFileSync(data, pairs());
  console.log(`engine ${await namedEngine(options.engine)}\n`);
  console.log(
    '| model | command | seconds, predicted | measured | ratio | peak memory, predicted | measured | ratio |',
  );
  console.log('|---|---|---|---|---|---|---|---|');
  for (const name of options.models.split(',')) {
    const model = await folderOf(name);
    const store = join(scratch, `store-${name.replace(/\W/g, '-')}`);
    for (const command of options.commands.split(',')) {
      // The others need the directions, which are not theirs to pay for.
      if (command !== 'decompose' && !existsSync(store)) await measured(decomposeArgs(model, store));
      const args = argsOf(command, model, store, data);
      if (command === 'evaluate') await drawCircuit(maskFile(store, 'train'), maskFile(store, 'circuit'));
      const asked = predicted(command, args);
      const took = await measured(args);
      took.seconds -= start.seconds;
      console.log(`| ${name} | ${command} | ${row(asked, took)} |`);
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function row(asked: Cost, took: Cost): string {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return [
    `${asked.seconds.toFixed(1)} | ${took.seconds.toFixed(1)} | ${(asked.seconds / took.seconds).toFixed(2)}`,
    `${mib(asked.memory)} | ${mib(took.memory)} | ${(asked.memory / took.memory).toFixed(2)}`,
  ].join(' | ');
}

function decomposeArgs(model: string, store: string): string[] {
  return ['decompose', model, '--store', store, ...(oneCore ? ['--workers', '1'] : []), '--json', '--quiet'];
}

function argsOf(command: string, model: string, store: string, data: string): string[] {
  const own = [model, '--store', store, ...(oneCore ? ['--workers', '1'] : [])];
  own.push('--engine', options.engine, '--json', '--quiet');
  const out = ['--out', outOf(store, command)];
  if (command === 'decompose') return decomposeArgs(model, store);
  if (command === 'score')
    return ['score', ...own, ...out, '--data', data, '--directions', 'all', '--positions', 'all'];
  if (command === 'evaluate') {
    const masks = ['--masks', maskFile(store, 'circuit')];
    return ['evaluate', ...own, ...out, ...masks, '--data', data, '--control-seeds', '1', '--attack', '0'];
  }
  const rounding = Math.floor(Number(options.steps) / 3);
  const soft = Number(options.steps) - rounding;
  const steps = ['--steps', String(soft), '--rounding-steps', String(rounding)];
  steps.push('--validate-every', '4', '--batch-size', '32');
  // A search runs as many cuts as masks are different, and those of a model that knows nothing are all alike.
  steps.push('--cut', 'half');
  return ['train', ...own, ...out, '--data', data, ...steps];
}

/** What `--dry-run` says, without what was done before. */
function predicted(command: string, args: readonly string[]): Cost {
  const [program, ...all] = commandLine([...args, '--dry-run']);
  const answer = execFileSync(program!, all, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const said = JSON.parse(answer);
  if (command === 'decompose') return { seconds: said.seconds, memory: said.memory_bytes };
  const sum = (parts: Record<string, number>) =>
    Object.values(parts).reduce((total, part) => total + part, 0);
  if (command === 'score') return { seconds: said.seconds, memory: sum(said.memory_bytes) };
  return { seconds: sum(said.seconds), memory: said.memory_bytes };
}

/** The process's largest resident size and its time: the processor's on one core, the clock's on all. */
function measured(args: readonly string[]): Promise<Cost> {
  const [program, ...all] = commandLine(args);
  const began = performance.now();
  const child = spawn(program!, all, { stdio: ['ignore', 'ignore', 'inherit'] });
  const cost: Cost = { seconds: 0, memory: 0 };
  const watch = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      cost.memory = Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024;
      cost.seconds = (Number(stat[11]) + Number(stat[12])) / TICKS;
    } catch {
      // It has ended.
    }
  }, 50);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      clearInterval(watch);
      if (!oneCore) cost.seconds = (performance.now() - began) / 1000;
      if (code === 0) resolve(cost);
      else reject(new Error(`${args.join(' ')}: ended with exit code ${code}`));
    });
  });
}

/** All that counts cores counts one behind `taskset`. */
function commandLine(args: readonly string[]): string[] {
  return [...(oneCore ? ['taskset', '--cpu-list', '0'] : []), process.execPath, main, ...args];
}

function outOf(store: string, command: string): string {
  return join(scratch, `out-${command}-${basename(store)}`);
}

function maskFile(store: string, of: 'train' | 'circuit'): string {
  return of === 'train' ? join(outOf(store, 'train'), 'masks.safetensors') : `${store}-circuit.safetensors`;
}

/** A file of masks like another one, which keeps a twentieth of the directions, drawn by seed: training on weights by seed keeps none. */
async function drawCircuit(trained: string, target: string): Promise<void> {
  const { values, metadata } = await readMasks(trained);
  const random = new Random(1);
  for (const masks of values.values())
    for (let at = 0; at < masks.length; at++) masks[at] = Number(random.uniform() < 0.05);
  await writeMasks(target, { values, metadata });
}

async function folderOf(name: string): Promise<string> {
  const folder = join(scratch, name.replace(':', '-'));
  const [shape, layers] = name.split(':');
  const llama = LLAMA_SHAPES[shape as keyof typeof LLAMA_SHAPES];
  if (llama) await writeLlama(folder, { ...llama, ...(layers && { layers: Number(layers) }) });
  else if (name === 'gpt2') await writeGpt2Small(folder);
  else return name;
  return folder;
}

/** Random ids: what a prompt says changes no cost. */
function pairs(): string {
  const random = new Random(0);
  const ids = () => Array.from({ length: PROMPT_TOKENS }, () => random.integer(IDS));
  const lines = Array.from({ length: PAIRS }, (_, i) =>
    JSON.stringify({
      id: `pair-${i}`,
      clean_ids: ids(),
      corrupted_ids: ids(),
      answer_id: random.integer(IDS / 2),
      distractor_id: IDS / 2 + random.integer(IDS / 2),
    }),
  );
  return `${lines.join('\n')}\n`;
}
