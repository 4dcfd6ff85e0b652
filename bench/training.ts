/**
 * A step of mask training at GPT-2 small's size: 64 prompts of 18 tokens, all four kinds masked, the reference
 * preset's settings. `node dist/bench/training.js [--engine native-cpu,wasm] [--workers 1,2] [--steps 4]
 * [--kinds ov,mlp_in,mlp_out] [--past kept,anew] [--schedule] [--folder DIR] [--json]`, after `npm run build`. Without
 * QK among the kinds --past says whether what lies before the last position is kept or computed anew in each step.
 * --schedule also times the whole published schedule: 1,024 prompts, 200 for validation, all that comes after loading.
 *
 * Every configuration runs in a process of its own, so that its memory is its own. Before it is timed it must
 * agree with the others, and with PyTorch where PYTHON (or `python3`) has torch and all kinds are masked, on KL and
 * gradient at random masks; and no step may leave a tensor behind. --folder keeps the model (weights by seed) and its decomposition for the next time: 1 GB.
 * On a CUDA machine: `node dist/bench/training.js --engine native-gpu --workers 1 --steps 50`, where workers are GPUs.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { cudaDevices } from '../src/engine/devices.js';
import { type Engine, type EngineChoice, openEngine } from '../src/engine/engine.js';
import { InputError } from '../src/errors.js';
import { type TensorData, writeSafetensors } from '../src/formats/safetensors-write.js';
import type { TokenPair } from '../src/formats/token-pairs.js';
import { MaskLayout } from '../src/forward/layout.js';
import { MaskedModel } from '../src/forward/masked-model.js';
import { FULL_PASSES } from '../src/forward/passes.js';
import { norm } from '../src/masks/optimiser.js';
import { trainMasks } from '../src/masks/train.js';
import type { Kind } from '../src/models/components.js';
import type { Linear } from '../src/models/weights.js';
import { Random } from '../src/random.js';
import { type MaskRunner, runnerInThisThread } from '../src/run/mask-runner.js';
import { openParallelRunner } from '../src/run/parallel-runner.js';
import { poolOf } from '../src/run/workbench.js';
import { PRESETS } from '../src/settings/train-settings.js';
import { type Gpt2Small, gpt2SmallIn } from './gpt2-folder.js';
import { namedEngine } from './processor.js';

const { values: options } = parseArgs({
  options: {
    engine: { type: 'string', default: 'native-cpu,wasm' },
    workers: { type: 'string', default: '1,2' },
    steps: { type: 'string', default: '4' },
    prompts: { type: 'string', default: '64' },
    kinds: { type: 'string', default: 'qk,ov,mlp_in,mlp_out' },
    past: { type: 'string', default: 'kept' },
    schedule: { type: 'boolean', default: false },
    folder: { type: 'string' },
    json: { type: 'boolean', default: false },
    child: { type: 'boolean', default: false },
  },
});

const LENGTH = 18;
const kinds = options.kinds.split(',') as Kind[];

interface Measured {
  /** At random masks, on all prompts. */
  check: { kl: number; gradientNorm: number };
  /** Of each step. */
  seconds: number[];
  /** Of all threads, a step: on a busy machine the better measure. */
  cpuSeconds: number;
  /** Largest resident size of the process. */
  peakBytes: number;
  /** At the end. */
  residentBytes: number;
  /** Of the published schedule, if it was asked for. */
  schedule?: { steps: number; validations: number; preparing: number; training: number };
}

if (options.child) console.log(JSON.stringify(await measure(options.folder!)));
else await compare();

function promptPairs(count: number, vocabulary: number): TokenPair[] {
  const random = new Random(2);
  const prompt = () => Int32Array.from({ length: LENGTH }, () => random.integer(vocabulary));
  return Array.from({ length: count }, (_, index) => ({
    id: String(index),
    clean: prompt(),
    corrupted: prompt(),
    answers: new Int32Array(0),
    distractors: new Int32Array(0),
  }));
}

function randomMasks(size: number): Float32Array {
  const random = new Random(3);
  return Float32Array.from({ length: size }, () => random.uniform());
}

/** One configuration, in this process. */
async function measure(folder: string): Promise<Measured> {
  const engine = await openEngine({ engine: options.engine as EngineChoice });
  const gpt2 = await gpt2SmallIn(folder);
  const runner = await openRunner(engine, gpt2, folder);
  const { size } = runner.layout;
  const pairs = promptPairs(Number(options.prompts), gpt2.model.architecture.nVocab);
  const prepared = await runner.prepare(pairs, { replacement: 'interchange', seed: 0 });
  const all = pairs.map((_, index) => index);
  const check = await prepared.objective(all, randomMasks(size), 'kl');
  const before = tf.memory().numTensors;
  const seconds: number[] = [];
  const cpu = process.cpuUsage();
  await trainMasks(
    {
      directions: size,
      pairs: pairs.length,
      evaluate: (indices, masks) => prepared.objective(indices, masks, 'kl'),
      validate: async () => 1,
    },
    { ...PRESETS.reference, batchSize: pairs.length, steps: Number(options.steps) },
    0,
    { onHistory: ({ validation, seconds: taken }) => void (validation || seconds.push(taken)) },
  );
  const { user, system } = process.cpuUsage(cpu);
  const leaked = tf.memory().numTensors - before;
  if (leaked !== 0) throw new Error(`${leaked} tensors more after ${options.steps} steps`);
  const schedule = options.schedule ? await publishedSchedule(runner, gpt2) : undefined;
  const memory = {
    peakBytes: process.resourceUsage().maxRSS * 1024,
    residentBytes: process.memoryUsage.rss(),
  };
  await runner.close();
  return {
    check: { kl: check.kl, gradientNorm: norm(check.gradient) },
    seconds,
    cpuSeconds: (user + system) / 1e6 / seconds.length,
    schedule,
    ...memory,
  };
}

/** The preset `reference` from prompts to masks, without its early end: random weights do not reach it. */
async function publishedSchedule(
  runner: MaskRunner,
  { model: { architecture } }: Gpt2Small,
): Promise<Measured['schedule']> {
  const settings = { ...PRESETS.reference, stopKl: null, stopL1: null };
  const pairs = promptPairs(1224, architecture.nVocab);
  const started = performance.now();
  const how = { replacement: 'interchange', seed: 0 } as const;
  const prepared = await runner.prepare(pairs.slice(0, 1024), how);
  const validation = await runner.prepare(pairs.slice(1024), how);
  const ready = performance.now();
  let validations = 0;
  const { steps } = await trainMasks(
    {
      directions: runner.layout.size,
      pairs: prepared.length,
      evaluate: (indices, masks) => prepared.objective(indices, masks, 'kl'),
      validate: (masks) => validation.kl(masks),
    },
    settings,
    0,
    {
      onHistory: ({ validation }) => {
        if (validation) validations++;
      },
    },
  );
  const preparing = (ready - started) / 1000;
  return { steps, validations, preparing, training: (performance.now() - ready) / 1000 };
}

async function openRunner(
  engine: Engine,
  { model, decomposition }: Gpt2Small,
  folder: string,
): Promise<MaskRunner> {
  const workers = Number(options.workers);
  const { architecture, form, qkSplit, path } = model;
  const passes = { ...FULL_PASSES, keepPast: options.past === 'kept' };
  if (workers === 1)
    return runnerInThisThread(await MaskedModel.load(engine, model, decomposition, { kinds }), passes);
  const layout = new MaskLayout(architecture, kinds);
  return openParallelRunner({
    model: {
      engine: engine.name,
      folder: path,
      form,
      qkSplit,
      store: join(folder, 'store'),
      key: decomposition.key,
      kinds: layout.kinds,
      positions: 'last',
    },
    masking: { architecture, layout, positions: 'last' },
    openPool: poolOf({
      workers,
      devices: engine.name === 'native-gpu' ? await cudaDevices(workers) : [],
    }),
    passes,
  });
}

async function compare(): Promise<void> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
  mkdirSync(folder, { recursive: true });
  try {
    const gpt2 = await gpt2SmallIn(folder, ({ note, done, total }) =>
      process.stderr.write(`${note ?? 'decompose'} ${done} of ${total}\r`),
    );
    const rows: { name: string; measured: Measured | null; note: string }[] = [];
    for (const engine of options.engine.split(','))
      for (const workers of /^(wasm|native-gpu)$/.test(engine) ? options.workers.split(',') : ['1'])
        for (const past of kinds.includes('qk') ? ['kept'] : options.past.split(',')) {
          const name = `${engine}, ${workers} worker(s)${kinds.includes('qk') ? '' : `, past ${past}`}`;
          rows.push({ name, ...inProcess(folder, engine, workers, past) });
        }
    const onGpu = /gpu/.test(options.engine);
    if (kinds.length === 4)
      for (const device of onGpu ? ['cpu', 'cuda'] : ['cpu'])
        rows.push({ name: `PyTorch (peer), ${device}`, ...(await peer(folder, gpt2, device)) });
    agree(rows.flatMap(({ measured }) => measured ?? []).map(({ check }) => check));
    if (options.json) console.log(JSON.stringify(rows, null, 2));
    else await table(rows);
  } finally {
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

function inProcess(folder: string, engine: string, workers: string, past: string) {
  const given = [
    '--steps',
    options.steps,
    '--prompts',
    options.prompts,
    '--kinds',
    options.kinds,
    '--past',
    past,
    ...(options.schedule ? ['--schedule'] : []),
  ];
  const args = [fileURLToPath(import.meta.url), '--child', '--folder', folder, ...given];
  return parsed(process.execPath, [...args, '--engine', engine, '--workers', workers]);
}

function parsed(command: string, args: string[]): { measured: Measured | null; note: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return { measured: JSON.parse(stdout), note: '' };
  const line = stderr?.split('\n').findLast((text) => /\w*Error\b/.test(text));
  return { measured: null, note: line ?? `${command} could not be run` };
}

/** The same step by a PyTorch program, from the same weights, directions, prompts and masks. */
async function peer(folder: string, { model, decomposition }: Gpt2Small, device: string) {
  const { architecture } = model;
  const path = join(folder, 'peer.safetensors');
  const tensors = new Map<string, TensorData>();
  const add = (name: string, data: Float32Array, shape: number[]) =>
    tensors.set(name, { dtype: 'F32', shape, data });
  const linear = (name: string, { weight, bias, rows, cols }: Linear) => {
    add(`${name}.weight`, weight, [rows, cols]);
    add(`${name}.bias`, bias!, [cols]);
  };
  for (let layer = 0; layer < architecture.nLayers; layer++) {
    const { v, o, mlpIn, mlpOut } = await model.layer(layer);
    for (const [name, part] of Object.entries({ v, o, mlpIn, mlpOut })) linear(`${layer}.${name}`, part);
  }
  const ends = await model.ends();
  add('embed', ends.embed, [architecture.nVocab, architecture.dModel]);
  add('positions', ends.positions!, [architecture.nPositions, architecture.dModel]);
  linear('unembed', ends.unembed);
  const pairs = promptPairs(Number(options.prompts), architecture.nVocab);
  const ids = (name: string, prompts: Int32Array[]) =>
    tensors.set(name, {
      dtype: 'I32',
      shape: [prompts.length, LENGTH],
      data: Int32Array.from(prompts.flatMap((prompt) => [...prompt])),
    });
  ids(
    'clean',
    pairs.map(({ clean }) => clean),
  );
  ids(
    'corrupted',
    pairs.map(({ corrupted }) => corrupted!),
  );
  const masks = randomMasks(new MaskLayout(architecture).size);
  add('masks', masks, [masks.length]);
  await writeSafetensors(path, tensors);
  await writeFile(
    join(folder, 'peer.json'),
    JSON.stringify({ store: join(folder, 'store', decomposition.key) }),
  );
  const script = fileURLToPath(new URL('../../bench/peers/torch_step.py', import.meta.url));
  try {
    return parsed(process.env.PYTHON ?? 'python3', [script, folder, options.steps, device]);
  } finally {
    rmSync(path);
  }
}

function agree(checks: Measured['check'][]): void {
  const [first] = checks;
  for (const { kl, gradientNorm } of checks)
    if (Math.abs(kl / first!.kl - 1) > 1e-3 || Math.abs(gradientNorm / first!.gradientNorm - 1) > 1e-3)
      throw new InputError(`results differ: ${JSON.stringify(checks)}`);
}

async function table(rows: { name: string; measured: Measured | null; note: string }[]): Promise<void> {
  console.log(`${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`);
  console.log(`engine ${await namedEngine(options.engine)}`);
  console.log(`${options.prompts} prompts of ${LENGTH} tokens, masked: ${options.kinds}\n`);
  console.log('| | seconds a step | CPU seconds a step | peak memory | at the end |\n|---|---|---|---|---|');
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  for (const { name, measured, note } of rows) {
    if (!measured) {
      console.log(`| ${name} | skipped: ${note} | | | |`);
      continue;
    }
    const settled = measured.seconds.slice(1).sort((a, b) => a - b);
    const median = settled[Math.floor(settled.length / 2)]!;
    console.log(
      `| ${name} | ${median.toPrecision(3)} | ${measured.cpuSeconds.toPrecision(3)} | ${gigabytes(measured.peakBytes)} | ${gigabytes(measured.residentBytes)} |`,
    );
    if (measured.schedule) {
      const { steps, validations, preparing, training } = measured.schedule;
      const whole = (preparing + training).toFixed(1);
      console.log(
        `| … the published schedule | ${whole} s: ${steps} steps and ${validations} validations in ${training.toFixed(1)}, preparing ${preparing.toFixed(1)} | | | |`,
      );
    }
  }
}
