/**
 * Where the time of a pass goes, by operation: `node dist/bench/step-profile.js [--engine native-cpu] [--folder DIR |
 * --model FOLDER] [--forward] [--kept .01] [--steps 3] [--json]`, after `npm run build`.
 *
 * At GPT-2 small's size with weights by seed, 64 prompts of 18 tokens (--folder keeps the model for the next time), or
 * on the model of a folder. A step of training, or with --forward a scoring of masks of which
 * --kept are 1 and the others 0. Every second step is left alone, and its seconds are those that count; in the others
 * every kernel of the engine is timed apart from those that it calls, and what is left is JavaScript and the timing. For
 * products the table has their speed as well, and what share it is of the fastest of the machine's large products, of
 * which a few are timed before and after: the limit that a step cannot pass.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { decompose } from '../src/decompose/decompose.js';
import { DecompositionStore } from '../src/decompose/store.js';
import { type EngineChoice, openEngine } from '../src/engine/engine.js';
import type { TokenPair } from '../src/formats/token-pairs.js';
import { MaskedModel } from '../src/forward/masked-model.js';
import { FULL_PASSES } from '../src/forward/passes.js';
import { openModel } from '../src/models/open-model.js';
import type { Model } from '../src/models/weights.js';
import { Random } from '../src/random.js';
import { storeFolder } from '../src/run/decomposition.js';
import { runnerInThisThread } from '../src/run/mask-runner.js';
import { gpt2SmallIn } from './gpt2-folder.js';
import { describeEngine, processorFeatures } from './processor.js';

const { values: options } = parseArgs({
  options: {
    engine: { type: 'string', default: 'native-cpu' },
    folder: { type: 'string' },
    model: { type: 'string' },
    prompts: { type: 'string', default: '64' },
    length: { type: 'string', default: '18' },
    forward: { type: 'boolean', default: false },
    kept: { type: 'string', default: '.01' },
    steps: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});

interface Time {
  /** Of all threads. */
  seconds: number;
  /** By the clock: where it is not much less, one thread works alone. */
  clock: number;
}

/** What a kind of operation took in all. */
interface Cost extends Time {
  calls: number;
  /** Of products alone. */
  flops: number;
}

const engine = await openEngine({ engine: options.engine as EngineChoice });
const scratch = options.folder ?? mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
mkdirSync(scratch, { recursive: true });
try {
  const { model, decomposition } = options.model ? await stored(options.model) : await gpt2SmallIn(scratch);
  const runner = runnerInThisThread(await MaskedModel.load(engine, model, decomposition), FULL_PASSES);
  const pairs = promptPairs(Number(options.prompts), model.architecture.nVocab);
  const prepared = await runner.prepare(pairs, { replacement: 'interchange', seed: 0 });
  const all = pairs.map((_, index) => index);
  const random = new Random(3);
  const masks = Float32Array.from({ length: runner.layout.size }, () =>
    options.forward ? Number(random.uniform() < Number(options.kept)) : random.uniform(),
  );
  const once = () => (options.forward ? prepared.score(masks) : prepared.objective(all, masks, 'kl'));
  await once();
  const costs = new Map<string, Cost>();
  const limits = [fastestProduct()];
  const steps = Number(options.steps);
  const [whole, apart] = [noTime(), noTime()];
  for (let step = 0; step < steps; step++) {
    await count(whole, once);
    const restore = timed(costs);
    await count(apart, once);
    restore();
  }
  limits.push(fastestProduct());
  report(costs, { whole, apart, limit: Math.max(...limits), steps });
} finally {
  if (options.folder === undefined) rmSync(scratch, { recursive: true, force: true });
}

async function stored(folder: string) {
  const model: Model = await openModel(folder);
  return {
    model,
    decomposition: await decompose(model, { store: new DecompositionStore(storeFolder(null)) }),
  };
}

/** Of all threads, so far: other work on the machine changes it less than a clock's. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function noTime(): Time {
  return { seconds: 0, clock: 0 };
}

async function count(time: Time, work: () => Promise<unknown>): Promise<void> {
  const [started, clock] = [processorSeconds(), performance.now()];
  await work();
  time.seconds += processorSeconds() - started;
  time.clock += (performance.now() - clock) / 1000;
}

function promptPairs(count: number, vocabulary: number): TokenPair[] {
  const random = new Random(2);
  const prompt = () => Int32Array.from({ length: Number(options.length) }, () => random.integer(vocabulary));
  return Array.from({ length: count }, (_, index) => ({
    id: String(index),
    clean: prompt(),
    corrupted: prompt(),
    answers: Int32Array.of(1),
    distractors: Int32Array.of(2),
  }));
}

/** Floating-point operations a processor second of the fastest of some large products. */
function fastestProduct(): number {
  const [n, k, m] = [1152, 1024, 3072];
  const a = tf.randomUniform([n, k]);
  // TensorFlow is at its best where the second operand's rows are the short side.
  const second = tf.randomUniform(engine.prefersShortRows ? [m, k] : [k, m]);
  let best = 0;
  for (let i = 0; i < 12; i++) {
    const started = processorSeconds();
    const product = tf.matMul(a, second, false, engine.prefersShortRows);

    best = Math.max(best, (2 * n * k * m) / (processorSeconds() - started));
    product.dispose();
  }
  tf.dispose([a, second]);
  return best;
}

/** Times every kernel of the current engine until the returned function is called. */
function timed(costs: Map<string, Cost>): () => void {
  const restores: (() => void)[] = [];
  const inner: Time[] = [];
  for (const config of tf.getKernelsForBackend(tf.getBackend())) {
    const original = config.kernelFunc;
    config.kernelFunc = (params) => {
      inner.push(noTime());
      const [started, clock] = [processorSeconds(), performance.now()];
      const result = original(params);
      const taken = processorSeconds() - started;
      const passed = (performance.now() - clock) / 1000;
      const nested = inner.pop()!;
      // A product with a bias may be made of others, which are counted already.
      const outer = inner.at(-1);
      if (outer) {
        outer.seconds += taken;
        outer.clock += passed;
      }
      const { name, flops } =
        nested.seconds > 0
          ? { name: config.kernelName, flops: 0 }
          : describe(config.kernelName, params.inputs, result);
      const cost = costs.get(name) ?? { calls: 0, seconds: 0, clock: 0, flops: 0 };
      costs.set(name, {
        calls: cost.calls + 1,
        seconds: cost.seconds + taken - nested.seconds,
        clock: cost.clock + passed - nested.clock,
        flops: cost.flops + flops,
      });
      return result;
    };
    restores.push(() => {
      config.kernelFunc = original;
    });
  }
  return () => restores.forEach((restore) => restore());
}

/** Products by their shapes; everything else by its name. */
function describe(
  kernel: string,
  inputs: tf.NamedTensorInfoMap,
  result: tf.TensorInfo | tf.TensorInfo[],
): { name: string; flops: number } {
  if (!/MatMul|Product/.test(kernel)) return { name: kernel, flops: 0 };
  const out = Array.isArray(result) ? result[0]! : result;
  const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);
  const [n, m] = out.shape.slice(-2) as [number, number];
  const batch = size(out.shape.slice(0, -2));
  const [first] = Object.values(inputs) as [tf.TensorInfo];
  const depth = size((inputs.a ?? first).shape) / batch / n;
  const times = batch > 1 ? `${batch} × ` : '';
  return { name: `product ${times}[${n}, ${depth}]·[${depth}, ${m}]`, flops: 2 * size(out.shape) * depth };
}

function report(
  costs: Map<string, Cost>,
  { whole, apart, limit, steps }: { whole: Time; apart: Time; limit: number; steps: number },
): void {
  const [seconds, onTheClock] = [whole.seconds / steps, whole.clock / steps];
  const rows = [...costs].map(([name, { calls, seconds, clock, flops }]) => ({
    name,
    calls: calls / steps,
    seconds: seconds / steps,
    clock: clock / steps,
    flops: flops / steps,
  }));
  const sum = (of: 'seconds' | 'clock' | 'flops') => rows.reduce((total, row) => total + row[of], 0);
  const left = { seconds: apart.seconds / steps - sum('seconds'), clock: apart.clock / steps - sum('clock') };
  rows.push({ name: 'JavaScript and timing', calls: 1, ...left, flops: 0 });
  rows.sort((a, b) => b.seconds - a.seconds);
  if (options.json) {
    console.log(JSON.stringify({ seconds, onTheClock, limit, rows }, null, 2));
    return;
  }
  console.log(
    `${cpus()[0]?.model.trim()} (${processorFeatures()}), ${availableParallelism()} cores, ${describeEngine(engine)}`,
  );
  const gflops = (flops: number, time: number) => (flops / time / 1e9).toFixed(0);
  console.log(
    `${seconds.toFixed(3)} processor seconds (${onTheClock.toFixed(3)} on the clock); ${(sum('flops') / 1e12).toFixed(3)} TFLOP: ` +
      `${((100 * sum('flops')) / limit / seconds).toFixed(0)} % of the limit, ${(limit / 1e9).toFixed(0)} GFLOP a processor second\n`,
  );
  console.log(
    '| | calls | milliseconds of processors | on the clock | share | GFLOP a second of them | of the limit |\n|---|---|---|---|---|---|---|',
  );
  for (const row of rows.filter((row) => row.seconds > 0.003 * seconds))
    console.log(
      `| ${row.name} | ${row.calls.toFixed(0)} | ${(1000 * row.seconds).toFixed(1)} | ${(1000 * row.clock).toFixed(1)} | ${((100 * row.seconds) / seconds).toFixed(1)} % ` +
        (row.flops > 0
          ? `| ${gflops(row.flops, row.seconds)} | ${((100 * row.flops) / row.seconds / limit).toFixed(0)} % |`
          : '| | |'),
    );
}
