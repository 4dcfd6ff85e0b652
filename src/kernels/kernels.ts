/** The WebAssembly kernels behind typed arrays: the only importer of WebAssembly. */
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { builtFile } from '../built-file.js';
import { InputError } from '../errors.js';
import type { Kernels, ProductShape } from './contract.js';
import { checkSigma, gemmTarget, productSvdTarget, projectionTarget, svdTarget } from './shapes.js';
import type { ThinSvd } from './thin-svd.js';

/** `relaxed` fuses multiply and add into one rounding; `simd` runs wherever WebAssembly has SIMD. */
export type KernelVariant = 'relaxed' | 'simd';

/** What assembly/index.ts exports. Pointers are byte addresses in `memory`. */
export interface Exports {
  memory: WebAssembly.Memory;
  mark(): number;
  release(height: number): void;
  allocate(bytes: number): number;
  svd(rows: number, cols: number, a: number, u: number, s: number, vt: number): number;
  svdOfProduct(
    rows: number,
    inner: number,
    cols: number,
    a: number,
    b: number,
    u: number,
    s: number,
    vt: number,
  ): number;
  gemmF32: Gemm;
  gemmF64: Gemm;
  project(
    rows: number,
    width: number,
    rank: number,
    bias: boolean,
    x: number,
    u: number,
    s: number,
    out: number,
  ): void;
  read(
    rows: number,
    width: number,
    rank: number,
    x: number,
    xRow: number,
    matrix: number,
    bias: number,
    out: number,
  ): void;
  accumulate(
    rows: number,
    cols: number,
    x: number,
    units: number,
    states: number,
    stateBytes: number,
    examples: number,
    context: number,
    descriptions: number,
    tokens: number,
    keys: number,
    logits: number,
  ): number;
  resetKeys(batch: number, cols: number, prompts: number, best: number, bestKey: number): void;
  scanKeys(
    from: number,
    to: number,
    batch: number,
    cols: number,
    factors: number,
    prompts: number,
    best: number,
    bestKey: number,
  ): void;
  settleKeys(
    column: number,
    batch: number,
    cols: number,
    scale: number,
    rates: number,
    rateRow: number,
    x: number,
    best: number,
    bestKey: number,
    prompts: number,
    width: number,
    q: number,
    qRow: number,
    k: number,
    kRow: number,
    keys: number,
    logits: number,
    memo: number,
    seen: number,
  ): void;
  peakF32(rounds: number): number;
  peakF64(rounds: number): number;
}

type Gemm = (
  transposeA: boolean,
  transposeB: boolean,
  m: number,
  n: number,
  k: number,
  a: number,
  b: number,
  c: number,
) => void;

/**
 * Loads the kernels. Without a wish it takes the relaxed build where this machine's JavaScript engine can run it.
 * @throws InputError if the build is missing, or the wished variant cannot run here
 */
export async function loadKernels(variant?: KernelVariant): Promise<WasmKernels> {
  const build = await chooseBuild(variant);
  return WasmKernels.compile(build.variant, build.bytes);
}

/** An instance of its own for what keeps data in the kernels' memory; see {@link loadKernels}. */
export async function instantiateKernels(variant?: KernelVariant): Promise<Exports> {
  return instantiate(await WebAssembly.compile((await chooseBuild(variant)).bytes));
}

async function chooseBuild(variant?: KernelVariant): Promise<{ variant: KernelVariant; bytes: Uint8Array }> {
  const relaxed = variant === 'simd' ? undefined : await readBuild('relaxed');
  if (relaxed && enableRelaxedSimd(relaxed)) return { variant: 'relaxed', bytes: relaxed };
  if (variant === 'relaxed')
    throw new InputError('relaxed SIMD is not available in this Node; use the plain SIMD kernels');
  return { variant: 'simd', bytes: await readBuild('simd') };
}

async function readBuild(variant: KernelVariant): Promise<Uint8Array> {
  const path = builtFile(`wasm/kernels-${variant}.wasm`);
  try {
    return await readFile(path);
  } catch {
    throw new InputError(`${path}: the kernels are not built; run "npm run build:wasm"`);
  }
}

/** Node 20 has relaxed SIMD behind a flag of its engine; later ones have it without. */
function enableRelaxedSimd(build: Uint8Array): boolean {
  if (WebAssembly.validate(build)) return true;
  if (process.versions.node.startsWith('20.')) setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(build);
}

/**
 * One instance of the kernels with its own memory: use one a thread. The memory stays as large as the largest
 * call made it; WebAssembly has no way to shrink it.
 */
export class WasmKernels implements Kernels {
  readonly variant: KernelVariant;
  readonly #module: WebAssembly.Module;
  #wasm: Exports;

  static async compile(variant: KernelVariant, build: Uint8Array): Promise<WasmKernels> {
    return new WasmKernels(variant, await WebAssembly.compile(build));
  }

  private constructor(variant: KernelVariant, module: WebAssembly.Module) {
    this.variant = variant;
    this.#module = module;
    this.#wasm = instantiate(module);
  }

  svd(a: Float32Array, rows: number, cols: number, out?: ThinSvd): ThinSvd {
    const result = svdTarget(a, rows, cols, out);
    return this.#decompose(`the ${rows} × ${cols} matrix`, result, (u, s, vt) =>
      this.#wasm.svd(rows, cols, this.#copyIn(a), u, s, vt),
    );
  }

  svdOfProduct(
    a: Float32Array,
    b: Float32Array,
    rows: number,
    inner: number,
    cols: number,
    out?: ThinSvd,
  ): ThinSvd {
    const result = productSvdTarget(a, b, rows, inner, cols, out);
    return this.#decompose(`the product of ${rows} × ${inner} and ${inner} × ${cols}`, result, (u, s, vt) =>
      this.#wasm.svdOfProduct(rows, inner, cols, this.#copyIn(a), this.#copyIn(b), u, s, vt),
    );
  }

  gemm<T extends Float32Array | Float64Array>(a: T, b: T, shape: ProductShape, out?: T): T {
    const result = gemmTarget(a, b, shape, out);
    const { rows, inner, cols, transposeA = false, transposeB = false } = shape;
    return this.#scoped(`a product of ${rows} × ${inner} and ${inner} × ${cols}`, () => {
      const c = this.#allocate(result.byteLength);
      const gemm = a instanceof Float32Array ? this.#wasm.gemmF32 : this.#wasm.gemmF64;
      gemm(transposeA, transposeB, rows, cols, inner, this.#copyIn(a), this.#copyIn(b), c);
      this.#copyOut(c, result);
      return result;
    });
  }

  project(
    x: Float32Array,
    rows: number,
    directions: Pick<ThinSvd, 'u' | 's'>,
    out?: Float32Array,
  ): Float32Array {
    const { width, rank, bias, result } = projectionTarget(x, rows, directions, out);
    return this.#scoped(`projecting ${rows} rows on ${rank} directions`, () => {
      const to = this.#allocate(result.byteLength);
      const [u, s] = [this.#copyIn(directions.u), this.#copyIn(directions.s)];
      this.#wasm.project(rows, width, rank, bias, this.#copyIn(x), u, s, to);
      this.#copyOut(to, result);
      return result;
    });
  }

  /**
   * Multiply-adds that stay in registers, the build's own speed limit for benchmarks.
   * @returns the number of floating-point operations done
   */
  multiplyAddInRegisters(type: 'f32' | 'f64', rounds: number): number {
    if (type === 'f32') this.#wasm.peakF32(rounds);
    else this.#wasm.peakF64(rounds);
    return rounds * 12 * (type === 'f32' ? 4 : 2) * 2;
  }

  #decompose(what: string, result: ThinSvd, run: (u: number, s: number, vt: number) => number): ThinSvd {
    return this.#scoped(`decomposing ${what}`, () => {
      const u = this.#allocate(result.u.byteLength);
      const s = this.#allocate(result.s.byteLength);
      const vt = this.#allocate(result.vt.byteLength);
      if (!run(u, s, vt))
        throw new InputError(`${what} to decompose holds NaN or infinity; repair the weights`);
      this.#copyOut(u, result.u);
      this.#copyOut(s, result.s);
      this.#copyOut(vt, result.vt);
      checkSigma(what, result);
      return result;
    });
  }

  /** Gives back what `work` allocates; an instance that failed is replaced. */
  #scoped<T>(what: string, work: () => T): T {
    const height = this.#wasm.mark();
    try {
      const result = work();
      this.#wasm.release(height);
      return result;
    } catch (error) {
      this.#wasm = instantiate(this.#module);
      // The kernels trap for one reason only: memory.grow was refused.
      if (error instanceof WebAssembly.RuntimeError)
        throw new InputError(`${what} needs more memory than this process can have (at most 4 GiB)`);
      throw error;
    }
  }

  /** Addresses come back signed; those of the upper half of the memory are negative. */
  #allocate(bytes: number): number {
    if (bytes >= 2 ** 32) throw new WebAssembly.RuntimeError('no such address');
    return this.#wasm.allocate(bytes) >>> 0;
  }

  #copyIn(array: Float32Array | Float64Array): number {
    const pointer = this.#allocate(array.byteLength);
    this.#view(pointer, array).set(array);
    return pointer;
  }

  #copyOut(pointer: number, array: Float32Array | Float64Array): void {
    array.set(this.#view(pointer, array));
  }

  #view(pointer: number, like: Float32Array | Float64Array): Float32Array | Float64Array {
    const { buffer } = this.#wasm.memory;
    return like instanceof Float32Array
      ? new Float32Array(buffer, pointer, like.length)
      : new Float64Array(buffer, pointer, like.length);
  }
}

function instantiate(module: WebAssembly.Module): Exports {
  const abort = () => {
    throw new Error('the kernels aborted');
  };
  return new WebAssembly.Instance(module, { env: { abort } }).exports as unknown as Exports;
}
