/** What is used of WebGPU's interface (the W3C's names) and of the package's helpers: their types need a browser's. */

export interface GpuBuffer {
  readonly size: number;
  readonly usage: number;
  destroy(): void;
}

export interface GpuPipeline {
  readonly label: string;
}

export interface GpuBindGroup {
  readonly label: string;
}

export interface GpuPass {
  setPipeline(pipeline: GpuPipeline): void;
  setBindGroup(index: number, group: GpuBindGroup): void;
  dispatchWorkgroups(x: number, y: number, z: number): void;
  end(): void;
}

export interface GpuEncoder {
  beginComputePass(): GpuPass;
  copyBufferToBuffer(
    from: GpuBuffer,
    fromOffset: number,
    to: GpuBuffer,
    toOffset: number,
    size: number,
  ): void;
  finish(): object;
}

export interface GpuQueue {
  submit(commands: object[]): void;
  /** `from` and `count` in elements of `data`. */
  writeBuffer(buffer: GpuBuffer, offset: number, data: ArrayBufferView, from: number, count: number): void;
}

export interface GpuDevice {
  readonly queue: GpuQueue;
  createBuffer(descriptor: { size: number; usage: number }): GpuBuffer;
  createCommandEncoder(): GpuEncoder;
}

export interface GpuAdapter {
  readonly info: { device?: string; description?: string };
  readonly features: ReadonlySet<string>;
  readonly limits: Record<string, number>;
  requestDevice(descriptor: {
    requiredFeatures: string[];
    requiredLimits: Record<string, number>;
  }): Promise<GpuDevice>;
}

/** STORAGE, COPY_SRC and COPY_DST: what a tensor's buffer is used for. */
export const TENSOR_USAGE = 0x80 | 0x04 | 0x08;

/** TensorFlow.js's: hands out buffers, and those given back again for the same size and usage. */
export interface BufferManager {
  acquireBuffer(size: number, usage: number): GpuBuffer;
  releaseBuffer(buffer: GpuBuffer): void;
  /** Destroys all of them, also those in use. */
  dispose(): void;
}
