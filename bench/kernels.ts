/**
 * How near the product kernels come to the machine's limit: `node dist/bench/kernels.js [--json]`, after `npm run build`.
 * The limit is what the same build reaches with multiply-adds that never leave the registers, measured in turns with
 * the kernels. Every answer is checked by plain loops before it is timed; speeds are the best of several runs by
 * processor time, which other work on the machine disturbs less than the clock, copies in and out included. Whole
 * decompositions: bench/decompose.ts.
 */
import { availableParallelism, cpus } from 'node:os';
import { type KernelVariant, loadKernels, type WasmKernels } from '../src/kernels/kernels.js';
import { Random } from '../src/random.js';

const SEED = 1;
const SIDE = 768;
const TURNS = 20;
/** Rows that are scored at a time, on directions with a bias row. */
const ROWS = 1024;
/** Directions of a head and of an MLP matrix. */
const RANKS = [64, 768];

interface ProductSpeed {
  variant: KernelVariant;
  type: 'f32' | 'f64';
  /** Multiply-adds in registers, and a 768³ product: GFLOP/s. */
  peak: number;
  gemm: number;
  ratio: number;
}

interface ProjectionSpeed {
  variant: KernelVariant;
  rank: number;
  /** GFLOP/s, and as a share of the 768³ product's. */
  project: number;
  ratio: number;
}

const variants: KernelVariant[] =
  (await loadKernels()).variant === 'relaxed' ? ['relaxed', 'simd'] : ['simd'];
const products: ProductSpeed[] = [];
const projections: ProjectionSpeed[] = [];
for (const variant of variants) {
  const build = await loadKernels(variant);
  for (const type of ['f32', 'f64'] as const) products.push(productSpeed(build, type));
  for (const rank of RANKS) projections.push(projectionSpeed(build, rank));
}
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
if (process.argv.includes('--json')) console.log(JSON.stringify({ machine, products, projections }, null, 2));
else print();

function productSpeed(build: WasmKernels, type: 'f32' | 'f64'): ProductSpeed {
  const random = new Random(SEED);
  const matrix = () => {
    const values = type === 'f32' ? new Float32Array(SIDE * SIDE) : new Float64Array(SIDE * SIDE);
    return values.map(() => random.uniform() - 0.5);
  };
  const [a, b, out] = [matrix(), matrix(), matrix()];
  const multiply = () => {
    build.gemm(a, b, { rows: SIDE, inner: SIDE, cols: SIDE }, out);
    return 2 * SIDE ** 3;
  };
  multiply();
  const entry = (i: number, j: number) => {
    let sum = 0;
    for (let p = 0; p < SIDE; p++) sum += a[i * SIDE + p]! * b[p * SIDE + j]!;
    return sum;
  };
  check(`gemm ${type}`, out, SIDE, entry, type === 'f32' ? 2e-4 : 1e-12);
  const inRegisters = () => build.multiplyAddInRegisters(type, 1e6);
  const [peak, gemm] = inTurns(inRegisters, multiply);
  return { variant: build.variant, type, peak, gemm, ratio: gemm / peak };
}

function projectionSpeed(build: WasmKernels, rank: number): ProjectionSpeed {
  const random = new Random(SEED);
  const matrix = (length: number) => new Float32Array(length).map(() => random.uniform() - 0.5);
  const [x, u, s, out] = [matrix(ROWS * SIDE), matrix((SIDE + 1) * rank), matrix(rank), matrix(ROWS * rank)];
  const project = () => {
    build.project(x, ROWS, { u, s }, out);
    return 2 * ROWS * (SIDE + 1) * rank;
  };
  project();
  const entry = (i: number, k: number) => {
    let sum = u[k]!;
    for (let p = 0; p < SIDE; p++) sum += x[i * SIDE + p]! * u[(p + 1) * rank + k]!;
    return sum * s[k]!;
  };
  check('project', out, rank, entry, 2e-4);
  const [a, c] = [matrix(SIDE * SIDE), matrix(SIDE * SIDE)];
  const multiply = () => {
    build.gemm(a, a, { rows: SIDE, inner: SIDE, cols: SIDE }, c);
    return 2 * SIDE ** 3;
  };
  const [gemm, speed] = inTurns(multiply, project);
  return { variant: build.variant, rank, project: speed, ratio: speed / gemm };
}

/** Best GFLOP/s of two calls that return their number of operations; they take turns, so that both meet the same machine. */
function inTurns(first: () => number, second: () => number): [number, number] {
  const best: [number, number] = [0, 0];
  for (let turn = 0; turn < TURNS; turn++)
    [first, second].forEach((work, i) => {
      const started = process.cpuUsage();
      const operations = work();
      const { user, system } = process.cpuUsage(started);
      best[i] = Math.max(best[i]!, operations / (user + system) / 1e3);
    });
  return best;
}

/** Compares every 97th entry of a result with plain loops. */
function check(
  what: string,
  found: ArrayLike<number>,
  cols: number,
  entry: (i: number, j: number) => number,
  bound: number,
): void {
  for (let at = 0; at < found.length; at += 97) {
    const wanted = entry(Math.floor(at / cols), at % cols);
    if (!(Math.abs(found[at]! - wanted) <= bound))
      throw new Error(`${what} is wrong at entry ${at}: ${found[at]} for ${wanted}`);
  }
}

function print(): void {
  console.log(`${machine}\n`);
  const share = (ratio: number) => `${(100 * ratio).toFixed(0)} %`;
  for (const { variant, type, peak, gemm, ratio } of products)
    console.log(
      `gemm 768³ ${type} ${variant.padEnd(8)} ${gemm.toFixed(1)} of ${peak.toFixed(1)} GFLOP/s in registers: ${share(ratio)}`,
    );
  for (const { variant, rank, project, ratio } of projections)
    console.log(
      `project 1024 rows on ${String(rank).padEnd(3)} ${variant.padEnd(8)} ${project.toFixed(1)} GFLOP/s: ${share(ratio)} of gemm`,
    );
}
