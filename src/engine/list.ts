/** What `orthoscope engine` shows: every engine, what it runs on and how fast, or what brings it. */
import { InputError } from '../errors.js';
import { cpuDevice, type Device, nvidiaDevices } from './devices.js';
import { type EngineName, openEngine } from './engine.js';
import { measureMatMul } from './measure.js';

export interface EngineEntry {
  name: EngineName;
  available: boolean;
  /** If it is not available: what is missing, and the one command that brings it where there is one. */
  note: string | null;
  /** Of what computes, e.g. `TensorFlow 2.21.0`; null if not available. */
  version: string | null;
  devices: Device[];
  /** Measured on one float32 matrix product; null if not asked for or not measurable in this process. */
  gflops: number | null;
}

export interface EngineListing {
  engines: EngineEntry[];
  /** What `auto` picks. */
  chosen: EngineName;
  /** Why, in one sentence. */
  reason: string;
}

/** WebAssembly addresses no more. */
const WASM_MEMORY = 4 * 2 ** 30;

/**
 * Opens every engine in turn; the one that `auto` picks is the current one afterwards.
 * @param options.measure also times a matrix product on each, about a second in all
 */
export async function listEngines({ measure = false }: { measure?: boolean } = {}): Promise<EngineListing> {
  const cpu = cpuDevice();
  const gpus = await nvidiaDevices();
  const portable = {
    name: `${cpu.name}, one of them used`,
    memoryBytes: Math.min(cpu.memoryBytes, WASM_MEMORY),
  };
  const nativeGpu = await describe('native-gpu', gpus, measure);
  // The same library does both, but not in one process.
  const nativeCpu = nativeGpu.available
    ? { ...nativeGpu, name: 'native-cpu' as const, devices: [cpu], gflops: null }
    : await describe('native-cpu', [cpu], measure);
  const engines = [
    nativeGpu,
    nativeCpu,
    await describe('wasm', [portable], measure),
    await describe('webgpu', [], measure),
  ];
  const { name, reason } = await openEngine();
  return { engines, chosen: name, reason };
}

async function describe(name: EngineName, devices: Device[], measure: boolean): Promise<EngineEntry> {
  try {
    const engine = await openEngine({ engine: name });
    const gflops = measure ? await measureMatMul(engine) : null;
    return { name, available: true, note: null, version: engine.version, devices, gflops };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { name, available: false, note: error.message, version: null, devices: [], gflops: null };
  }
}
