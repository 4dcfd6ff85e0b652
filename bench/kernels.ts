/**
 * How near the product kernels come to the machine's limit: `node dist/bench/kernels.js [--json]`, after `npm run build`.
 * The limit is what the same build reaches with multiply-adds that never leave the registers, measured in turns with
 * the kernels. Every answer is checked by plain loops before it is timed; speeds are the best of several runs by
 * processor time, which other work on the machine disturbs less than the clock, copies in and out included. Whole
 * decompositions: bench/decompose.ts.
 */
import { availableParallelism, cpus } from 'node:os';
import { compileKernels, instantiate, type KernelVariant } from '../src/kernels/instance.js';
import { loadKernels, type WasmKernels } from '../src/kernels/kernels.js';
import { Random } from '../src/random.js';

const SEED = 1;
const SIDE = 768;
const TURNS = 20;
/** Rows that are read at a time, by directions with a bias. */
const ROWS = 1024;
/** Directions of a head and of an MLP matrix. */
const DIRECTIONS = [64, 768];

interface ProductSpeed {
  variant: KernelVariant;
  type: 'f32' | 'f64';
  /** Multiply-adds in registers, and a 768³ product: GFLOP/s. */
  peak: number;
  gemm: number;
  ratio: number;
}

interface ReadingSpeed {
  variant: KernelVariant;
  directions: number;
  /** GFLOP/s, and as a share of the 768³ product's. */
  read: number;
  ratio: number;
}

const variants: KernelVariant[] =
  (await loadKernels()).variant === 'relaxed' ? ['relaxed', 'simd'] : ['simd'];
const products: ProductSpeed[] = [];
const readings: ReadingSpeed[] = [];
for (const variant of variants) {
  const build = await loadKernels(variant);
  for (const type of ['f32', 'f64'] as const) products.push(productSpeed(build, type));
  for (const directions of DIRECTIONS) readings.push(await readingSpeed(build, directions));
}
const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}`;
if (process.argv.includes('--json')) console.log(JSON.stringify({ machine, products, readings }, null, 2));
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

/** What scoring runs: a basis that rests in the kernels' memory, and rows that are copied in. */
async function readingSpeed(build: WasmKernels, directions: number): Promise<ReadingSpeed> {
  const random = new Random(SEED);
  const values = (length: number) => new Float32Array(length).map(() => random.uniform() - 0.5);
  const { memory, read } = instantiate((await compileKernels(build.variant)).module);
  const [x, matrix, bias] = [values(ROWS * SIDE), values(SIDE * directions), values(directions)];
  const resident = { matrix: memory.copyIn(matrix), bias: memory.copyIn(bias) };
  const out = memory.allocate(4 * ROWS * directions);
  const readRows = () => {
    memory.scoped(() =>
      read({
        rows: ROWS,
        width: SIDE,
        cols: directions,
        x: memory.copyIn(x),
        xStride: SIDE,
        ...resident,
        out,
      }),
    );
    return 2 * ROWS * SIDE * directions;
  };
  readRows();
  const entry = (i: number, k: number) => {
    let sum = bias[k]!;
    for (let p = 0; p < SIDE; p++) sum += x[i * SIDE + p]! * matrix[p * directions + k]!;
    return sum;
  };
  check('read', memory.view(Float32Array, out, ROWS * directions), directions, entry, 2e-4);
  const [a, c] = [values(SIDE * SIDE), values(SIDE * SIDE)];
  const multiply = () => {
    build.gemm(a, a, { rows: SIDE, inner: SIDE, cols: SIDE }, c);
    return 2 * SIDE ** 3;
  };
  const [gemm, speed] = inTurns(multiply, readRows);
  return { variant: build.variant, directions, read: speed, ratio: speed / gemm };
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
  for (const { variant, directions, read, ratio } of readings)
    console.log(
      `read 1024 rows by ${String(directions).padEnd(3)} directions ${variant.padEnd(8)} ${read.toFixed(1)} GFLOP/s: ${share(ratio)} of gemm`,
    );
}
