/** The kernels of assembly/ on the memory of TensorFlow.js's WebAssembly backend, where its tensors lie. */
import * as tf from '@tensorflow/tfjs-core';
import { compileKernels, instantiate, type WasmCalls } from '../../kernels/instance.js';

/** What is used of that backend. */
interface Backend {
  wasm: { asm: { memory: WebAssembly.Memory }; _malloc(bytes: number): number };
  dataIdMap: { get(dataId: tf.DataId): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: 'float32'): tf.TensorInfo;
  incRef(dataId: tf.DataId): void;
}

/** Bytes that kernels may use beside tensors: panels of products take half of it, a head's scores less. */
const BLOCK = 2 ** 23;

/** Kernels whose arrays are tensors, by {@link address}. */
export interface TensorKernels {
  calls: WasmCalls;
  /** Where a tensor's values lie. It holds as long as the tensor. */
  address(tensor: tf.TensorInfo): number;
  /** A new float32 tensor with whatever was there before. */
  create(shape: number[]): tf.TensorInfo;
  /** The same values under a second tensor, which may outlive the first. */
  share(tensor: tf.TensorInfo): tf.TensorInfo;
}

/** Of the backend that is current. @throws InputError if the kernels are not built */
export async function tensorKernels(): Promise<TensorKernels> {
  const backend = tf.backend() as unknown as Backend;
  const { module } = await compileKernels();
  // The backend alone makes its memory grow: it would not know of another's growth.
  const base = backend.wasm._malloc(BLOCK) >>> 0;
  const room = { memory: backend.wasm.asm.memory, base, limit: base + BLOCK };
  return {
    calls: instantiate(module, { room }),
    address: ({ dataId }) => backend.dataIdMap.get(dataId).memoryOffset,
    create: (shape) => backend.makeOutput(shape, 'float32'),
    share: ({ dataId, shape, dtype }) => {
      backend.incRef(dataId);
      return { dataId, shape, dtype };
    },
  };
}
