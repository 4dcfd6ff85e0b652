/** What an engine takes of memory by itself, and what there is for it. */
import { cpuDevice } from './devices.js';

/** An engine's own memory. */
export interface EngineMemory {
  /** Bytes without any model, of the process and of each further thread. */
  process: number;
  thread: number;
  /** Memory of the weights over their size: loading leaves something behind on TensorFlow. */
  copies: number;
  /** Most that it can address in one thread. */
  most: number;
  /** What the machine has, for all threads together; infinite where a GPU has its own. */
  machine: number;
}

export function engineMemory(engine: string): EngineMemory {
  const machine = cpuDevice().memoryBytes;
  if (engine === 'wasm') return { process: 150e6, thread: 150e6, copies: 1, most: 2 ** 32, machine };
  return {
    process: 500e6,
    thread: 0,
    copies: 1.4,
    most: Number.POSITIVE_INFINITY,
    machine: engine === 'native-cpu' ? machine : Number.POSITIVE_INFINITY,
  };
}
