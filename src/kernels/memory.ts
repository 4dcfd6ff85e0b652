/** The memory of an instance of the kernels: a stack of blocks by address. */

/** See assembly/arena.ts. */
export interface MemoryExports {
  memory: WebAssembly.Memory;
  mark(): number;
  release(height: number): void;
  allocate(bytes: number): number;
}

/** Arrays that kernels know. */
export type KernelArray = Float32Array | Float64Array | Int32Array | Uint8Array;

type ArrayType<T extends KernelArray> = new (buffer: ArrayBuffer, address: number, length: number) => T;

/** Grows as needed and never shrinks: WebAssembly has no way to. */
export class KernelMemory {
  constructor(private readonly wasm: MemoryExports) {}

  /**
   * A block with whatever was there before.
   * @returns its address
   * @throws WebAssembly.RuntimeError if it does not fit; see {@link isOutOfMemory}
   */
  allocate(bytes: number): number {
    if (bytes >= 2 ** 32) throw new WebAssembly.RuntimeError('no such address');
    // Addresses come back signed; those of the upper half of the memory are negative.
    return this.wasm.allocate(bytes) >>> 0;
  }

  /** An array's copy. @returns its address */
  copyIn(array: KernelArray): number {
    const address = this.allocate(array.byteLength);
    this.view(array.constructor as ArrayType<KernelArray>, address, array.length).set(array);
    return address;
  }

  copyOut<T extends KernelArray>(address: number, into: T): T {
    into.set(this.view(into.constructor as ArrayType<T>, address, into.length));
    return into;
  }

  /** What lies there; it holds until something is allocated. */
  view<T extends KernelArray>(Type: ArrayType<T>, address: number, length: number): T {
    return new Type(this.wasm.memory.buffer, address, length);
  }

  /** Gives back what `work` allocates. */
  scoped<T>(work: () => T): T {
    const height = this.wasm.mark();
    try {
      return work();
    } finally {
      this.wasm.release(height);
    }
  }
}

/** Whether a kernel failed for want of memory: they trap for no other reason. An instance is of no use afterwards. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError;
}
