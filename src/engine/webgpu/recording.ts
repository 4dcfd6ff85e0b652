/**
 * One computation as the GPU sees it: which shader runs on which buffers in which order. Building that list takes
 * JavaScript many times as long as sending it, and often longer than the GPU needs for the work.
 */
import type { DataType } from '@tensorflow/tfjs-core';
import {
  type BufferManager,
  type GpuBindGroup,
  type GpuBuffer,
  type GpuDevice,
  type GpuEncoder,
  type GpuPass,
  type GpuPipeline,
  TENSOR_USAGE,
} from './device.js';

interface Dispatch {
  pipeline: GpuPipeline;
  group: GpuBindGroup;
  size: [number, number, number];
}

/** Where a result lies after the computation was played. */
interface Result {
  buffer: GpuBuffer;
  shape: number[];
  dtype: DataType;
}

/** Dispatches sent at once: few enough that the GPU starts early, so many that sending costs little. */
const SENT_AT_ONCE = 200;

export class Recording {
  /** To be written before it is played, unless what was written last is the same array: arrays do not change. */
  readonly inputs: { buffer: GpuBuffer; written: object | null }[] = [];
  readonly results: Result[] = [];
  readonly #dispatches: Dispatch[] = [];
  readonly #constants: GpuBuffer[] = [];

  /** Takes the place of the device's encoder while the computation is recorded. */
  readonly encoder: GpuEncoder = {
    beginComputePass: (): GpuPass => {
      let pipeline: GpuPipeline;
      let group: GpuBindGroup;
      return {
        setPipeline: (given) => {
          pipeline = given;
        },
        setBindGroup: (_, given) => {
          group = given;
        },
        dispatchWorkgroups: (...size) => {
          this.#dispatches.push({ pipeline, group, size });
        },
        end: () => {},
      };
    },
    copyBufferToBuffer: () => {
      throw new Error('a computation that reads tensors back cannot be recorded');
    },
    finish: () => ({}),
  };

  /** @param buffers of this computation alone: one that is free again is used again, later in the same computation */
  constructor(
    private readonly device: GpuDevice,
    readonly buffers: BufferManager,
  ) {}

  play(): void {
    for (let from = 0; from < this.#dispatches.length; from += SENT_AT_ONCE) {
      const encoder = this.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const { pipeline, group, size } of this.#dispatches.slice(from, from + SENT_AT_ONCE)) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...size);
      }
      pass.end();
      this.device.queue.submit([encoder.finish()]);
    }
  }

  /** A buffer that no dispatch writes to: what is put there at any time is there in the whole of each playback. */
  constant(size: number): GpuBuffer {
    const buffer = this.device.createBuffer({ size, usage: TENSOR_USAGE });
    this.#constants.push(buffer);
    return buffer;
  }

  dispose(): void {
    this.buffers.dispose();
    for (const buffer of this.#constants) buffer.destroy();
  }
}
