/**
 * How long a model of GPT-2 small's shape takes to decompose and to load: `node dist/bench/decompose.js [--json]`, after
 * `npm run build`. Writes the model (weights by seed) and its stores to a temporary folder, 2 GB. Everything is measured in
 * a process of its own, from the opened model to the last file on disk; times are the best of two, or, of the whole
 * model by one and by two workers, of five in turns. What was stored is checked before any time counts, and compared
 * with what WebAssembly gives without OpenBLAS. With a Python that has numpy (PYTHON names it, `python3` otherwise) the
 * same shapes are given to its LAPACK, in turns with the whole model by two workers.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decompose } from '../src/decompose/decompose.js';
import { type Factors, factorsOf } from '../src/decompose/factors.js';
import { DecompositionStore } from '../src/decompose/store.js';
import { linkedProduct } from '../src/engine/native/host-kernels.js';
import type { Kernels } from '../src/kernels/contract.js';
import { loadKernels } from '../src/kernels/kernels.js';
import type { ThinSvd } from '../src/kernels/thin-svd.js';
import { type Kind, kindsOf } from '../src/models/components.js';
import { openModel } from '../src/models/open-model.js';
import { DEFAULT_SPLIT } from '../src/models/qk-split.js';
import type { StoreDtype } from '../src/settings/choices.js';
import { orthogonality, residual } from './accuracy.js';
import { writeGpt2Small } from './gpt2-folder.js';
import { processorFeatures } from './processor.js';

/** The bounds on what is stored: relative residual, and largest row sum of U^T U − I. */
const BOUND = 2e-6;
const python = process.env.PYTHON ?? 'python3';
const ATTENTION: readonly Kind[] = ['qk', 'ov'];

/** What one process does. */
interface Task {
  model: string;
  store: string;
  dtype: StoreDtype;
  workers: number;
  kinds?: readonly Kind[];
  memory?: number;
  /** Reads all layers after they were found in the store. */
  load: boolean;
}

interface Measured {
  seconds: number;
  /** Peak resident memory of the process. */
  peakBytes: number;
}

interface Run extends Measured {
  store: string;
}

interface Lapack {
  library: string;
  attention_factored: number;
  whole_factored: number;
}

const task = process.argv.indexOf('--task');
if (task !== -1) console.log(JSON.stringify(await measured(JSON.parse(process.argv[task + 1]!) as Task)));
else await main();

/** Runs in the measured process. Hashing the weights is not part of it: it is remembered from the first run on. */
async function measured({ model: folder, store: path, dtype, load, ...options }: Task): Promise<Measured> {
  const model = await openModel(folder);
  await model.hash();
  const started = performance.now();
  const store = new DecompositionStore(path, dtype);
  const decomposition = await decompose(model, { store, ...options });
  if (load && decomposition.computed > 0) throw new Error('the store was not finished');
  if (load) for (let layer = 0; layer < model.architecture.nLayers; layer++) await decomposition.layer(layer);
  const seconds = (performance.now() - started) / 1000;
  await model.close();
  return { seconds, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'orthoscope-bench-'));
  process.env.ORTHOSCOPE_CACHE = join(scratch, 'cache');
  try {
    const model = join(scratch, 'model');
    await writeGpt2Small(model);
    let stores = 0;
    const once = (options: Partial<Task>): Run => {
      const store = options.store ?? join(scratch, `store-${stores++}`);
      return { store, ...inProcess({ model, store, dtype: 'f32', workers: 2, load: false, ...options }) };
    };
    // Where memory is lent to the machine as it is needed, pages that were never written to cost several times others:
    // a store goes as soon as it is measured, so that all find the same pages free.
    const discarded = (options: Partial<Task>): Run => {
      const run = once(options);
      rmSync(run.store, { recursive: true });
      return run;
    };
    const best = (options: Partial<Task>) => bestOf([once(options), once(options)]);
    // In turns, so that both are measured in the machine's better and worse moments.
    const turns = [0, 1, 2, 3, 4].map(
      (turn) => [turn === 0 ? once({}) : discarded({}), discarded({ workers: 1 })] as const,
    );
    const two = bestOf(turns.map(([run]) => run));
    const one = bestOf(turns.map(([, run]) => run));
    const accuracy = await checkStore(model, two.store);
    const peers = withNumpy() ? [0, 1, 2].map(() => [discarded({}), measureLapack()] as const) : [];
    const attention = best({ kinds: ATTENTION });
    const bounded = best({ memory: 5e8 });
    const load = best({ store: two.store, load: true });
    const half = best({ dtype: 'f16' });
    const loadHalf = best({ store: half.store, dtype: 'f16', load: true });
    report({
      machine: `${cpus()[0]?.model.trim()} (${processorFeatures()}), ${availableParallelism()} cores, Node ${process.version}`,
      products: linkedProduct() ? 'OpenBLAS' : 'WebAssembly',
      accuracy,
      two,
      one,
      speedup: one.seconds / two.seconds,
      speedupOfPairs: median(turns.map(([two, one]) => one.seconds / two.seconds)),
      attention,
      bounded,
      load,
      storeBytes: folderBytes(two.store),
      loadHalf,
      storeHalfBytes: folderBytes(half.store),
      lapack: peers[0]?.[1] ?? null,
      timesNumpy: peers.map(([ours, lapack]) => lapack.whole_factored / ours.seconds),
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** The best time and the largest memory of runs; the first one's store stays, for others to read. */
function bestOf(runs: readonly Run[]): Run {
  const [{ store }, ...rest] = runs as [Run, ...Run[]];
  for (const run of rest) if (run.store !== store) rmSync(run.store, { recursive: true, force: true });
  const seconds = Math.min(...runs.map((run) => run.seconds));
  const peakBytes = Math.max(...runs.map((run) => run.peakBytes));
  return { store, seconds, peakBytes };
}

function inProcess(options: Task): Measured {
  const script = fileURLToPath(import.meta.url);
  return JSON.parse(
    execFileSync(process.execPath, [script, '--task', JSON.stringify(options)], { encoding: 'utf8' }),
  ) as Measured;
}

/** Largest residual and loss of orthogonality, by kind, of what the store holds for one layer in the middle. */
async function checkStore(folder: string, path: string): Promise<Record<string, Record<string, number>>> {
  const layer = 5;
  const kernels = await loadKernels();
  const model = await openModel(folder);
  const { architecture } = model;
  const weights = await model.layer(layer);
  const decomposition = await decompose(model, { store: new DecompositionStore(path) });
  if (decomposition.computed > 0) throw new Error('the store was not finished');
  const found = await decomposition.layer(layer);
  const accuracy: Record<string, Record<string, number>> = {};
  for (const kind of kindsOf(architecture)) {
    const worst = { residual: 0, orthogonality: 0, fromWebAssembly: 0 };
    for (const directions of found.values()) {
      if (directions.component.kind !== kind) continue;
      const factors = factorsOf(directions.component, weights, architecture, DEFAULT_SPLIT);
      worst.residual = Math.max(worst.residual, residual(kernels, factors, directions));
      worst.orthogonality = Math.max(worst.orthogonality, orthogonality(kernels, directions));
      worst.fromWebAssembly = Math.max(
        worst.fromWebAssembly,
        difference(decomposed(kernels, factors), directions),
      );
    }
    if (!Object.values(worst).every((value) => value <= BOUND))
      throw new Error(`${kind}: ${JSON.stringify(worst)}, bound ${BOUND}`);
    accuracy[kind] = worst;
  }
  await model.close();
  return accuracy;
}

function decomposed(kernels: Kernels, { a, b, rows, inner, cols }: Factors): ThinSvd {
  return b ? kernels.svdOfProduct(a, b, rows, inner, cols) : kernels.svd(a, rows, cols);
}

/** Of entries of vectors; of σ as a share of the largest. Weights by seed have no σ that nearly agree. */
function difference(one: ThinSvd, other: ThinSvd): number {
  const largest = (x: Float32Array, y: Float32Array) =>
    x.reduce((worst, value, i) => Math.max(worst, Math.abs(value - y[i]!)), 0);
  return Math.max(largest(one.u, other.u), largest(one.vt, other.vt), largest(one.s, other.s) / one.s[0]!);
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function withNumpy(): boolean {
  try {
    execFileSync(python, ['-c', 'import numpy'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The same shapes through numpy's LAPACK. */
function measureLapack(): Lapack {
  const script = fileURLToPath(new URL('../../bench/peers/lapack.py', import.meta.url));
  return JSON.parse(execFileSync(python, [script], { encoding: 'utf8' })) as Lapack;
}

interface Result {
  machine: string;
  /** Whose are the large products. */
  products: string;
  accuracy: Record<string, Record<string, number>>;
  two: Measured;
  one: Measured;
  speedup: number;
  /** The same by the median of the pairs measured one after the other: it has the machine's noise in it. */
  speedupOfPairs: number;
  attention: Measured;
  /** With 500 MB of memory. */
  bounded: Measured;
  load: Measured;
  storeBytes: number;
  loadHalf: Measured;
  storeHalfBytes: number;
  lapack: Lapack | null;
  /** How many times numpy's speed ours was, turn by turn. */
  timesNumpy: number[];
}

function report(result: Result): void {
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify(result, null, 2));
    return;
  }
  const { machine, accuracy, two, one, attention, bounded, load, loadHalf, lapack } = result;
  const seconds = (measured: Measured) => `${measured.seconds.toFixed(2)} s`;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  console.log(`${machine}; products by ${result.products}\n`);
  for (const [kind, { residual, orthogonality, fromWebAssembly }] of Object.entries(accuracy))
    console.log(
      `${kind.padEnd(8)} residual ${residual!.toExponential(1)}, orthogonality ${orthogonality!.toExponential(1)}, ` +
        `at most ${fromWebAssembly!.toExponential(1)} from what WebAssembly gives by itself`,
    );
  console.log(`\nwhole, 2 workers      ${seconds(two)}, at most ${gigabytes(two.peakBytes)} resident`);
  const [best, pairs] = [result.speedup, result.speedupOfPairs].map((ratio) => ratio.toFixed(2));
  console.log(
    `whole, 1 worker       ${seconds(one)}: two are ${best} times as fast (median of pairs ${pairs})`,
  );
  console.log(`attention, 2 workers  ${seconds(attention)}`);
  console.log(`whole, --memory 500MB ${seconds(bounded)}, at most ${gigabytes(bounded.peakBytes)} resident`);
  console.log(`loading               ${seconds(load)}, ${gigabytes(result.storeBytes)} on disk`);
  console.log(`loading f16           ${seconds(loadHalf)}, ${gigabytes(result.storeHalfBytes)} on disk`);
  if (!lapack) console.log('\nno Python with numpy here: LAPACK not measured');
  else
    console.log(
      `\n${lapack.library}: whole ${lapack.whole_factored.toFixed(2)} s by factors, ` +
        `attention ${lapack.attention_factored.toFixed(2)} s; in turns ours was ` +
        `${result.timesNumpy.map((ratio) => ratio.toFixed(2)).join(', ')} times as fast, files included`,
    );
}
