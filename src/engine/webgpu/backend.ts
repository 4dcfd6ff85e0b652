/**
 * TensorFlow.js's WebGPU backend, with two things done otherwise. Host arrays go to the GPU through its queue, not
 * through a mapped buffer made and destroyed for each of them, which takes milliseconds with some drivers. And it can
 * record what a computation sends to the GPU and send that again.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Replays } from '../replay.js';
import {
  type BufferManager,
  type GpuBuffer,
  type GpuDevice,
  type GpuEncoder,
  type GpuQueue,
  TENSOR_USAGE,
} from './device.js';
import { Recording } from './recording.js';
import { replaysOf, type Values } from './replays.js';

/** What the backend keeps about a tensor's data. */
interface TensorData {
  /** What is not on the GPU yet; null once it is. */
  values?: Values[number] | null;
  dtype: tf.DataType;
  shape: number[];
  resource?: GpuBuffer | null;
  /** Whether the buffer is somebody else's: it is left alone when the tensor goes. */
  external?: boolean;
}

/** What is used here of the package's class. */
interface Backend extends tf.KernelBackend {
  device: GpuDevice;
  queue: GpuQueue;
  bufferManager: BufferManager;
  commandEncoder: GpuEncoder | null;
  tensorMap: tf.DataStorage<TensorData>;
  /** Uniforms of the commands that are not sent yet. */
  uniformPendingDisposal: GpuBuffer[];
  makeTensorInfo(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  uploadToGPU(dataId: object): void;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

export type BackendClass = new (device: GpuDevice, adapterInfo: object) => Backend;

/** Elements written at once: Dawn takes up to 4 MiB without a buffer made for them. */
const WRITTEN_AT_ONCE = 2 ** 19;

/** @param Base the class `WebGPUBackend` of `@tensorflow/tfjs-backend-webgpu` */
export function recordingBackend(Base: BackendClass) {
  return class extends Base {
    /** What is being recorded: then nothing is sent. */
    #recording: Recording | null = null;

    override uploadToGPU(dataId: object): void {
      const data = this.tensorMap.get(dataId);
      if (data.resource) return;
      if (data.values && this.#recording) {
        data.resource = this.#recording.constant(byteSize(data));
        data.external = true;
      } else data.resource = this.bufferManager.acquireBuffer(byteSize(data), TENSOR_USAGE);
      if (!data.values) return;
      this.#write(data.resource, data.values);
      data.values = null;
    }

    override ensureCommandEncoderReady(): void {
      if (this.#recording) this.commandEncoder = this.#recording.encoder;
      else super.ensureCommandEncoderReady();
    }

    override submitQueue(): void {
      // Uniforms are constants of what is recorded.
      if (this.#recording) this.uniformPendingDisposal = [];
      super.submitQueue();
    }

    openReplays(): Replays {
      return replaysOf<Recording>({
        values: (inputs) => inputs.map(({ dataId }) => this.#hostValues(dataId)),
        record: (inputs, compute) => this.#record(inputs, compute),
        play: (recording, values) => this.#play(recording, values),
      });
    }

    #record(inputs: readonly tf.Tensor[], compute: () => tf.Tensor[]): Recording {
      this.#send();
      const { bufferManager, queue } = this;
      const Buffers = bufferManager.constructor as new (device: GpuDevice) => BufferManager;
      const recording = new Recording(this.device, new Buffers(this.device));
      try {
        this.#recording = recording;
        this.bufferManager = recording.buffers;
        this.queue = { submit: () => {}, writeBuffer: (...given) => queue.writeBuffer(...given) };
        for (const { dataId } of inputs) {
          const data = this.tensorMap.get(dataId);
          data.resource = recording.constant(byteSize(data));
          data.external = true;
          recording.inputs.push({ buffer: data.resource, written: null });
        }
        for (const result of compute()) {
          const { shape, dtype } = result;
          this.uploadToGPU(result.dataId);
          const data = this.tensorMap.get(result.dataId);
          recording.results.push({ buffer: data.resource!, shape, dtype });
          data.external = true;
          result.dispose();
        }
        this.#send();
        return recording;
      } catch (error) {
        recording.dispose();
        throw error;
      } finally {
        this.endComputePassEncoder();
        this.#recording = null;
        Object.assign(this, { bufferManager, queue, commandEncoder: null });
      }
    }

    #play(recording: Recording, values: Values): tf.Tensor[] {
      this.#send();
      values.forEach((each, at) => {
        const input = recording.inputs[at]!;
        if (input.written !== each) this.#write(input.buffer, each);
        input.written = each;
      });
      recording.play();
      return recording.results.map(({ buffer, shape, dtype }) => {
        const info = this.makeTensorInfo(shape, dtype);
        Object.assign(this.tensorMap.get(info.dataId), { resource: buffer, external: true });
        return tf.engine().makeTensorFromTensorInfo(info, this);
      });
    }

    /** Sends (or records) what waits to be sent. */
    #send(): void {
      this.endComputePassEncoder();
      if (this.commandEncoder) this.submitQueue();
    }

    #hostValues(dataId: object): Values[number] {
      const { values } = this.tensorMap.get(dataId);
      if (!values) throw new Error('an input of a computation to be replayed is on the GPU already');
      return values;
    }

    #write(buffer: GpuBuffer, values: Values[number]): void {
      const wide = values instanceof Uint8Array ? Int32Array.from(values) : values;
      // The queue takes no shared memory.
      const data = wide.buffer instanceof SharedArrayBuffer ? wide.slice() : wide;
      for (let from = 0; from < data.length; from += WRITTEN_AT_ONCE)
        this.queue.writeBuffer(buffer, 4 * from, data, from, Math.min(WRITTEN_AT_ONCE, data.length - from));
    }
  };
}

/** Every type takes four bytes an element. */
function byteSize({ shape }: TensorData): number {
  return 4 * tf.util.sizeFromShape(shape);
}
