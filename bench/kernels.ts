/**
 * How fast the kernels are, and how that compares: `node dist/bench/kernels.js [--json]`, after `npm run build`.
 * Every answer is checked before it is timed; times are the best of several runs, ratios come from one run.
 * With a Python that has numpy (PYTHON names it, `python3` otherwise) the same work is given to its LAPACK.
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Kernels } from '../src/kernels/contract.js';
import { type KernelVariant, loadKernels, type WasmKernels } from '../src/kernels/kernels.js';
import type { ThinSvd } from '../src/kernels/thin-svd.js';
import { openPool, type Pool } from '../src/pool/pool.js';
import { Random } from '../src/random.js';
import { type FactoredMatrix, gpt2SmallMatrices } from './gpt2-small.js';

const SEED = 1;
/** The bounds on what is stored: relative residual, and largest row sum of U^T U − I. */
const BOUND = 2e-6;

interface ProductSpeed {
  variant: KernelVariant;
  type: 'f32' | 'f64';
  /** Multiply-adds in registers, and a 768³ product with copies in and out: GFLOP/s. */
  peak: number;
  gemm: number;
  ratio: number;
}

interface Accuracy {
  kind: FactoredMatrix['kind'];
  residual: number;
  orthogonality: number;
}

interface Times {
  workers: number;
  attention: number;
  whole: number;
}

interface Lapack {
  library: string;
  head_dense: number;
  attention_factored: number;
  whole_factored: number;
}

const kernels = await loadKernels();
const products = await measureProducts();
const matrices = gpt2SmallMatrices(SEED);
const accuracy = checkAccuracy(kernels, matrices);
const one = await measureDecomposition(1, matrices);
const two = await measureDecomposition(2, matrices);
const peakResidentBytes = process.resourceUsage().maxRSS * 1024;
const lapack = measureLapack();

const result = {
  machine: `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`,
  variant: kernels.variant,
  products,
  accuracy,
  decomposition: [one, two],
  speedup: one.whole / two.whole,
  peakResidentBytes,
  lapack,
};
if (process.argv.includes('--json')) console.log(JSON.stringify(result, null, 2));
else print();

/** Best speeds of both builds; peak and product take turns, so that both meet the same machine. */
async function measureProducts(): Promise<ProductSpeed[]> {
  const variants: KernelVariant[] = kernels.variant === 'relaxed' ? ['relaxed', 'simd'] : ['simd'];
  const speeds: ProductSpeed[] = [];
  for (const variant of variants) {
    const build = await loadKernels(variant);
    for (const type of ['f32', 'f64'] as const) speeds.push(productSpeed(build, type));
  }
  return speeds;
}

function productSpeed(build: WasmKernels, type: 'f32' | 'f64'): ProductSpeed {
  const n = 768;
  const random = new Random(SEED);
  const matrix = () => {
    const values = type === 'f32' ? new Float32Array(n * n) : new Float64Array(n * n);
    return values.map(() => random.uniform() - 0.5);
  };
  const [a, b, out] = [matrix(), matrix(), matrix()];
  const shape = { rows: n, inner: n, cols: n };
  const multiply = () => {
    build.gemm(a, b, shape, out);
    return 2 * n ** 3;
  };
  multiply();
  checkProduct(a, b, out, n, type === 'f32' ? 2e-4 : 1e-12);
  let [peak, gemm] = [0, 0];
  for (let turn = 0; turn < 20; turn++) {
    peak = Math.max(
      peak,
      speed(() => build.multiplyAddInRegisters(type, 1e6)),
    );
    gemm = Math.max(gemm, speed(multiply));
  }
  return { variant: build.variant, type, peak, gemm, ratio: gemm / peak };
}

/** GFLOP/s of one call that returns its number of operations. */
function speed(work: () => number): number {
  const started = performance.now();
  const operations = work();
  return operations / (performance.now() - started) / 1e6;
}

/** Compares every 97th entry of C = A·B with plain loops. */
function checkProduct(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  c: ArrayLike<number>,
  n: number,
  bound: number,
) {
  for (let entry = 0; entry < n * n; entry += 97) {
    const [i, j] = [Math.floor(entry / n), entry % n];
    let sum = 0;
    for (let p = 0; p < n; p++) sum += a[i * n + p]! * b[p * n + j]!;
    if (!(Math.abs(sum - c[entry]!) <= bound))
      throw new Error(`gemm is wrong at ${i}, ${j}: ${c[entry]} for ${sum}`);
  }
}

/** Residual and orthogonality of one matrix of each kind, by the f64 product that was checked above. */
function checkAccuracy(build: Kernels, all: FactoredMatrix[]): Accuracy[] {
  return (['mlp_in', 'mlp_out', 'qk', 'ov'] as const).map((kind) => {
    const { a, b, rows, inner, cols } = all.find((matrix) => matrix.kind === kind)!;
    const dense = b
      ? build.gemm(Float64Array.from(a), Float64Array.from(b), { rows, inner, cols })
      : Float64Array.from(a);
    const svd = b ? build.svdOfProduct(a, b, rows, inner, cols) : build.svd(a, rows, cols);
    const found = {
      kind,
      residual: residual(build, dense, svd, rows, cols),
      orthogonality: worst(build, svd, rows, cols),
    };
    if (!(found.residual <= BOUND && found.orthogonality <= BOUND))
      throw new Error(
        `${kind}: residual ${found.residual}, orthogonality ${found.orthogonality}, bound ${BOUND}`,
      );
    return found;
  });
}

/** ‖W − u diag(s) vt‖ / ‖W‖ */
function residual(
  build: Kernels,
  dense: Float64Array,
  { u, s, vt }: ThinSvd,
  rows: number,
  cols: number,
): number {
  const rank = s.length;
  const scaled = Float64Array.from(u, (x, i) => x * s[i % rank]!);
  const rebuilt = build.gemm(scaled, Float64Array.from(vt), { rows, inner: rank, cols });
  const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
  return norm(dense.map((x, i) => x - rebuilt[i]!)) / norm(dense);
}

/** The larger of ‖U^T U − I‖∞ and ‖V^T V − I‖∞. */
function worst(build: Kernels, { u, s, vt }: ThinSvd, rows: number, cols: number): number {
  const rank = s.length;
  const [left, right] = [Float64Array.from(u), Float64Array.from(vt)];
  const grams = [
    build.gemm(left, left, { rows: rank, inner: rows, cols: rank, transposeA: true }),
    build.gemm(right, right, { rows: rank, inner: cols, cols: rank, transposeB: true }),
  ];
  let largest = 0;
  for (const gram of grams)
    for (let p = 0; p < rank; p++) {
      let sum = 0;
      for (let q = 0; q < rank; q++) sum += Math.abs(gram[p * rank + q]! - Number(p === q));
      largest = Math.max(largest, sum);
    }
  return largest;
}

/** Seconds from opening the pool to the last result, best of two; results are dropped as a store would take them. */
async function measureDecomposition(workers: number, all: FactoredMatrix[]): Promise<Times> {
  const heads = all.filter(({ b }) => b);
  const times = { workers, attention: Number.POSITIVE_INFINITY, whole: Number.POSITIVE_INFINITY };
  for (let run = 0; run < 2; run++) {
    times.attention = Math.min(times.attention, await secondsFor(workers, heads));
    times.whole = Math.min(times.whole, await secondsFor(workers, all));
  }
  return times;
}

async function secondsFor(workers: number, all: FactoredMatrix[]): Promise<number> {
  const started = performance.now();
  const pool = openPool({ workers });
  try {
    const queue = [...all];
    const lane = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await decompose(pool, next);
    };
    // One call more than there are threads: none waits for the next matrix.
    await Promise.all(Array.from({ length: workers + 1 }, lane));
    return (performance.now() - started) / 1000;
  } finally {
    await pool.close();
  }
}

function decompose(pool: Pool, { a, b, rows, inner, cols }: FactoredMatrix): Promise<ThinSvd> {
  return b ? pool.svdOfProduct(a, b, rows, inner, cols) : pool.svd(a, rows, cols);
}

/** The same shapes through numpy's LAPACK, or null where there is none. */
function measureLapack(): Lapack | null {
  const script = fileURLToPath(new URL('../../bench/peers/lapack.py', import.meta.url));
  const python = process.env.PYTHON ?? 'python3';
  try {
    execFileSync(python, ['-c', 'import numpy'], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return JSON.parse(execFileSync(python, [script], { encoding: 'utf8' })) as Lapack;
}

function print(): void {
  const { machine, variant, speedup } = result;
  console.log(`${machine}; kernels: ${variant}\n`);
  for (const { variant, type, peak, gemm, ratio } of products)
    console.log(
      `gemm 768³ ${type} ${variant.padEnd(8)} ${gemm.toFixed(1)} of ${peak.toFixed(1)} GFLOP/s in registers: ${percent(ratio)}`,
    );
  console.log();
  for (const { kind, residual, orthogonality } of accuracy)
    console.log(
      `${kind.padEnd(8)} residual ${residual.toExponential(1)}, orthogonality ${orthogonality.toExponential(1)}`,
    );
  console.log();
  for (const { workers, attention, whole } of result.decomposition)
    console.log(`${workers} worker(s): attention ${attention.toFixed(2)} s, whole ${whole.toFixed(2)} s`);
  console.log(`one worker to two: ${speedup.toFixed(2)} times as fast`);
  console.log(`peak resident memory: ${(peakResidentBytes / 2 ** 30).toFixed(2)} GiB\n`);
  if (!lapack) {
    console.log('no Python with numpy here: LAPACK not measured');
    return;
  }
  const { library, head_dense, attention_factored, whole_factored } = lapack;
  console.log(
    `${library}: attention ${attention_factored.toFixed(2)} s, whole ${whole_factored.toFixed(2)} s by factors;`,
  );
  console.log(`  a head as a dense matrix ${head_dense.toFixed(3)} s`);
  console.log(`ours on two workers takes ${percent(two.whole / whole_factored)} of its time`);
}

function percent(x: number): string {
  return `${(100 * x).toFixed(0)} %`;
}
