/**
 * How fast directions are scored: `node dist/bench/scoring.js [--json] [--prompts N]`, after `npm run build`.
 * A model of GPT-2 small's shape, weights by seed, all 37,020 directions, last token and all tokens; the kernels by
 * themselves; one thread and two. With a Python that has torch (PYTHON names it, `python3` otherwise), a program that
 * does the same in memory is timed on the same model and prompts. Answers are checked before anything is timed.
 */

import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openEngine } from '../src/engine/engine.js';
import { Transformer } from '../src/forward/transformer.js';
import { loadKernels } from '../src/kernels/kernels.js';
import { listComponents } from '../src/models/components.js';
import { Random } from '../src/random.js';
import { readBases } from '../src/score/bases.js';
import { chooseDirections } from '../src/score/chosen-directions.js';
import { momentsOf } from '../src/score/direction-figures.js';
import { DirectionReader, readerKernels } from '../src/score/direction-reader.js';
import {
  describePassage,
  describeRow,
  type LayerRows,
  PASSAGE_WORDS,
  ROW_WORDS,
} from '../src/score/layer-rows.js';
import type { Passage } from '../src/score/passages.js';
import { ReaderThreads } from '../src/score/reader-threads.js';
import type { ReadingBasis } from '../src/score/reading-basis.js';
import { Scorer } from '../src/score/scorer.js';
import { NO_EXAMPLES, stateBytes, unitOf } from '../src/score/statistics-state.js';
import type { ScoredPositions } from '../src/settings/choices.js';
import { gpt2SmallIn } from './gpt2-folder.js';
import { describeEngine } from './processor.js';

const SEED = 1;
const SIZES = { examples: 5, context: 16 };
const TOKENS = 18;
const flag = process.argv.indexOf('--prompts');
const PROMPTS = flag < 0 ? 512 : Number(process.argv[flag + 1]);

interface Throughput {
  positions: ScoredPositions;
  tokens_per_second: number;
  /** Shares of the wall-clock time: the forward pass, and waiting for the threads. */
  forward: number;
  waiting: number;
  /** Threads' working time over what they had. */
  reading: number;
}

interface Peer {
  library: string;
  last: { tokens_per_second: number; mean: number[] };
  all: { tokens_per_second: number; mean: number[] };
}

const folder = join(tmpdir(), 'orthoscope-bench-gpt2-small');
const { model, decomposition } = await gpt2SmallIn(folder);

const projection = await measureProjection();
const components = listComponents(model.architecture);
const { bases, directions } = await readBases(model, decomposition, chooseDirections('all', components));
const scaling = await measureScaling();
const engine = await openEngine();
const plain = await Transformer.load(engine, model, { logits: false });
const prompts = randomPrompts();
const [last, lastMeans] = await measureThroughput('last');
const [all, allMeans] = await measureThroughput('all');
const peer = await measurePeer();

const result = {
  machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`,
  engine: describeEngine(engine),
  directions: directions.length,
  prompts: PROMPTS,
  tokens_a_prompt: TOKENS,
  projection,
  scaling,
  throughput: [last, all],
  peer: peer && { library: peer.library, last: peer.last.tokens_per_second, all: peer.all.tokens_per_second },
  peak_resident_bytes: process.resourceUsage().maxRSS * 1024,
};
if (process.argv.includes('--json')) console.log(JSON.stringify(result, null, 2));
else print();

/** GFLOP/s of a projection of 512 rows on 769 directions, alone and with its statistics, against a 768³ product. */
async function measureProjection() {
  const [n, d, cols] = [512, 768, 772];
  const random = new Random(SEED);
  const values = (length: number) => Float32Array.from({ length }, () => random.uniform() - 0.5);
  const kernels = await loadKernels();
  const [a, b, out] = [values(d * d), values(d * d), new Float32Array(d * d)];
  const { memory, read } = await readerKernels();
  const [x, matrix, bias] = [values(n * d), values(d * cols), values(cols)];
  const resident = {
    ...{ x: memory.copyIn(x), xStride: d, matrix: memory.copyIn(matrix), bias: memory.copyIn(bias) },
    out: memory.allocate(4 * n * cols),
  };
  const project = () => read({ rows: n, width: d, cols, ...resident });
  project();
  const found = memory.view(Float32Array, resident.out, n * cols);
  for (let at = 0; at < n * cols; at += 997) {
    const [row, c] = [Math.floor(at / cols), at % cols];
    let sum = bias[c]!;
    for (let k = 0; k < d; k++) sum += x[row * d + k]! * matrix[k * cols + c]!;
    if (!(Math.abs(sum - found[at]!) < 1e-3)) throw new Error(`projection is wrong at ${row}, ${c}`);
  }
  const basis: ReadingBasis = {
    ...{ name: 'L0.mlp_in', layer: 0, source: 'mlpInput', from: 0, width: d, matrix, bias, keys: null },
    units: new Float64Array(cols).fill(unitOf(1)),
  };
  const reader = new DirectionReader(await readerKernels(), [basis], NO_EXAMPLES);
  const rows = syntheticRows(0, n, { mlpInput: x });
  let [gemm, alone, whole] = [0, 0, 0];
  for (let turn = 0; turn < 20; turn++) {
    gemm = Math.max(
      gemm,
      speed(2 * d ** 3, () => kernels.gemm(a, b, { rows: d, inner: d, cols: d }, out)),
    );
    alone = Math.max(alone, speed(2 * n * d * cols, project));
    whole = Math.max(
      whole,
      speed(2 * n * d * cols, () => reader.read(rows, false)),
    );
  }
  return {
    gemm,
    projection: alone,
    with_statistics: whole,
    ratio: alone / gemm,
    ratio_with_statistics: whole / gemm,
  };
}

function speed(operations: number, work: () => void): number {
  const started = performance.now();
  work();
  return operations / (performance.now() - started) / 1e6;
}

function syntheticRows(layer: number, n: number, sources: LayerRows['sources']): LayerRows {
  const shared = (length: number) => new Int32Array(new SharedArrayBuffer(4 * length));
  const [descriptions, tokens, passages] = [shared(ROW_WORDS * n), shared(n), shared(PASSAGE_WORDS * n)];
  for (let row = 0; row < n; row++) {
    describeRow(descriptions, row, { prompt: row, position: 0, token: row, before: 0, scored: 0 });
    describePassage(passages, row, { first: 0, scored: 0, row, shift: 0 });
  }
  const described = { descriptions, tokens, passages };
  return { layer, side: 'clean', rows: n, batch: n, columns: 1, lastOnly: true, sources, ...described };
}

/** Layers a second that the threads take in without any forward pass, on one thread and on two. */
async function measureScaling() {
  const n = 512;
  const random = new Random(SEED);
  const source = () => {
    const array = new Float32Array(new SharedArrayBuffer(4 * n * 768));
    for (let i = 0; i < array.length; i++) array[i] = 2 * (random.uniform() - 0.5);
    return array;
  };
  const sources = Object.fromEntries(
    ['attentionInput', 'context', 'mlpInput', 'mlpOutput', 'queries', 'keys'].map((name) => [name, source()]),
  );
  const seconds: number[] = [];
  for (const workers of [1, 2]) {
    const readers = await ReaderThreads.open(bases, SIZES, workers);
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 3; run++) {
      const started = performance.now();
      await Promise.all(
        Array.from({ length: 12 }, (_, layer) => readers.read(syntheticRows(layer, n, sources), false)),
      );
      best = Math.min(best, (performance.now() - started) / 1000);
    }
    seconds.push(best);
    await readers.close();
  }
  return { rows_per_second: seconds.map((time) => n / time), speedup: seconds[0]! / seconds[1]! };
}

function randomPrompts(): Int32Array[] {
  const random = new Random(SEED).fork('prompts');
  return Array.from({ length: PROMPTS }, () =>
    Int32Array.from({ length: TOKENS }, () => random.integer(50257)),
  );
}

async function measureThroughput(positions: ScoredPositions): Promise<[Throughput, number[]]> {
  const readers = await ReaderThreads.open(bases, SIZES, availableParallelism());
  const scorer = new Scorer(plain, readers, bases, positions);
  const passages = prompts.map(
    (ids, i): Passage => ({ prompt: i, ids, from: positions === 'all' ? 0 : TOKENS - 1, shift: 0 }),
  );
  const pass = async (some: readonly Passage[]) => {
    for await (const _ of scorer.score('clean', some, false));
    await scorer.drain();
  };
  await pass(passages.slice(0, 128));
  await readers.clear();
  const before = { ...scorer.times };
  const started = performance.now();
  await pass(passages);
  const seconds = (performance.now() - started) / 1000;
  const { clean } = await readers.save();
  await readers.close();
  const each = stateBytes(SIZES);
  const means = directions.map(
    ({ sigma }, at) => momentsOf(new DataView(clean.buffer, at * each, each), unitOf(sigma)).mean,
  );
  const { times } = scorer;
  return [
    {
      positions,
      tokens_per_second: (PROMPTS * TOKENS) / seconds,
      forward: (times.forward - before.forward) / seconds,
      waiting: (times.waiting - before.waiting) / seconds,
      reading: (times.reading - before.reading) / (seconds * readers.workers),
    },
    means,
  ];
}

/** The same in PyTorch, all values in memory; its mean magnitudes by component must be ours. */
async function measurePeer(): Promise<Peer | null> {
  const script = fileURLToPath(new URL('../../bench/peers/scoring.py', import.meta.url));
  const python = process.env.PYTHON ?? 'python3';
  try {
    execFileSync(python, ['-c', 'import torch, safetensors'], { stdio: 'ignore' });
  } catch {
    return null;
  }
  const file = join(folder, 'prompts.json');
  await writeFile(file, JSON.stringify(prompts.map((ids) => [...ids])));
  const found = JSON.parse(
    execFileSync(python, [script, join(folder, 'model'), file], { encoding: 'utf8', maxBuffer: 2 ** 28 }),
  ) as Peer;
  // Singular vectors have free signs, and sums over a component's directions do not have them.
  check(found.last.mean, lastMeans);
  check(found.all.mean, allMeans);
  return found;
}

/** Compares Σ mean² over the OV and MLP directions of each component, which knows no signs. */
function check(theirs: readonly number[], means: readonly number[]): void {
  const sums = new Map<string, number>();
  directions.forEach(({ component }, at) => {
    if (component.kind !== 'qk') sums.set(component.name, (sums.get(component.name) ?? 0) + means[at]! ** 2);
  });
  [...sums].forEach(([name, sum], i) => {
    if (!(Math.abs(sum - theirs[i]!) <= 1e-3 * sum + 1e-9))
      throw new Error(`${name}: the peer's Σ mean² is ${theirs[i]}, ours ${sum}`);
  });
}

function print(): void {
  const { machine } = result;
  console.log(`${machine}; engine ${result.engine}; ${result.directions} directions\n`);
  const { gemm, projection: alone, with_statistics, ratio, ratio_with_statistics } = projection;
  console.log(
    `gemm 768³ ${gemm.toFixed(1)} GFLOP/s; projection of 512 rows ${alone.toFixed(1)} (${percent(ratio)}),`,
  );
  console.log(`  with its statistics ${with_statistics.toFixed(1)} (${percent(ratio_with_statistics)})`);
  const [one, two] = scaling.rows_per_second;
  console.log(
    `threads alone: ${one!.toFixed(0)} rows/s on one thread, ${two!.toFixed(0)} on two: ${scaling.speedup.toFixed(2)} times`,
  );
  for (const { positions, tokens_per_second, forward, waiting, reading } of result.throughput)
    console.log(
      `${positions.padEnd(4)} ${tokens_per_second.toFixed(0)} tokens/s; forward ${percent(forward)} of the time, waiting for threads ${percent(waiting)}; threads busy ${percent(reading)}`,
    );
  console.log(`peak resident memory ${(result.peak_resident_bytes / 2 ** 30).toFixed(2)} GiB`);
  if (!peer) console.log('no Python with torch and safetensors here: the peer was not measured');
  else
    console.log(
      `${peer.library}: last ${peer.last.tokens_per_second.toFixed(0)} tokens/s, all ${peer.all.tokens_per_second.toFixed(0)}; ` +
        `ours ${(last.tokens_per_second / peer.last.tokens_per_second).toFixed(2)} and ${(all.tokens_per_second / peer.all.tokens_per_second).toFixed(2)} times that`,
    );
}

function percent(x: number): string {
  return `${(100 * x).toFixed(0)} %`;
}
