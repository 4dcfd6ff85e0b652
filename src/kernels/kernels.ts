/** The WebAssembly kernels behind typed arrays. */
import { InputError } from '../errors.js';
import type { Kernels, ProductShape } from './contract.js';
import {
  compileKernels,
  type HostProduct,
  instantiate,
  type KernelBuild,
  type KernelVariant,
  type WasmCalls,
} from './instance.js';
import { isOutOfMemory } from './memory.js';
import { checkSigma, gemmTarget, productSvdTarget, svdTarget } from './shapes.js';
import type { ThinSvd } from './thin-svd.js';

/**
 * Loads the kernels. Without a wish it takes the relaxed build where this machine's JavaScript engine can run it.
 * @param hostProduct does large f64 products instead of WebAssembly
 * @throws InputError if the build is missing, or the wished variant cannot run here
 */
export async function loadKernels(variant?: KernelVariant, hostProduct?: HostProduct): Promise<WasmKernels> {
  return new WasmKernels(await compileKernels(variant), hostProduct);
}

/**
 * One instance of the kernels with its own memory: use one per thread. The memory stays as large as the largest call
 * made it.
 */
export class WasmKernels implements Kernels {
  readonly variant: KernelVariant;
  readonly #module: KernelBuild['module'];
  #wasm: WasmCalls;

  constructor(
    { variant, module }: KernelBuild,
    private readonly hostProduct?: HostProduct,
  ) {
    this.variant = variant;
    this.#module = module;
    this.#wasm = instantiate(module, { hostProduct });
  }

  svd(a: Float32Array, rows: number, cols: number, out?: ThinSvd): ThinSvd {
    const result = svdTarget(a, rows, cols, out);
    return this.#decompose(`the ${rows} × ${cols} matrix`, result, ({ memory, svd }, target) => {
      // A is read before anything is written, and is as large as the larger of its results.
      const place = rows > cols ? target.u : target.vt;
      memory.view(Float32Array, place, a.length).set(a);
      return svd({ rows, cols, a: place, ...target });
    });
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
    const what = `the product of ${rows} × ${inner} and ${inner} × ${cols}`;
    return this.#decompose(what, result, ({ memory, svdOfProduct }, target) =>
      svdOfProduct({ rows, inner, cols, a: memory.copyIn(a), b: memory.copyIn(b), ...target }),
    );
  }

  gemm<T extends Float32Array | Float64Array>(a: T, b: T, shape: ProductShape, out?: T): T {
    const result = gemmTarget(a, b, shape, out);
    const { rows: m, inner: k, cols: n, transposeA = false, transposeB = false } = shape;
    return this.#scoped(`a product of ${m} × ${k} and ${k} × ${n}`, ({ memory, gemmF32, gemmF64 }) => {
      const c = memory.allocate(result.byteLength);
      const gemm = a instanceof Float32Array ? gemmF32 : gemmF64;
      const transposed = { transposeA: Number(transposeA), transposeB: Number(transposeB) };
      gemm({ ...transposed, m, n, k, a: memory.copyIn(a), b: memory.copyIn(b), c });
      return memory.copyOut(c, result);
    });
  }

  /**
   * Multiply-adds that stay in registers, the build's own speed limit for benchmarks.
   * @returns the number of floating-point operations done
   */
  multiplyAddInRegisters(type: 'f32' | 'f64', rounds: number): number {
    if (type === 'f32') this.#wasm.peakF32({ rounds });
    else this.#wasm.peakF64({ rounds });
    return rounds * 12 * (type === 'f32' ? 4 : 2) * 2;
  }

  /** @param run is told where the result goes, and says whether all entries were finite */
  #decompose(
    what: string,
    result: ThinSvd,
    run: (wasm: WasmCalls, target: Record<'u' | 's' | 'vt', number>) => number,
  ): ThinSvd {
    return this.#scoped(`decomposing ${what}`, (wasm) => {
      const { memory } = wasm;
      const u = memory.allocate(result.u.byteLength);
      const s = memory.allocate(result.s.byteLength);
      const vt = memory.allocate(result.vt.byteLength);
      if (!run(wasm, { u, s, vt }))
        throw new InputError(`${what} to decompose holds NaN or infinity; repair the weights`);
      memory.copyOut(u, result.u);
      memory.copyOut(s, result.s);
      memory.copyOut(vt, result.vt);
      checkSigma(what, result);
      return result;
    });
  }

  /** Gives back what `work` allocates; an instance that failed is replaced. */
  #scoped<T>(what: string, work: (wasm: WasmCalls) => T): T {
    const wasm = this.#wasm;
    try {
      return wasm.memory.scoped(() => work(wasm));
    } catch (error) {
      this.#wasm = instantiate(this.#module, { hostProduct: this.hostProduct });
      if (isOutOfMemory(error))
        throw new InputError(`${what} needs more memory than this process can have (at most 4 GiB)`);
      throw error;
    }
  }
}
