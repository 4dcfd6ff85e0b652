/** Picks what computes tensors: TensorFlow on a GPU, TensorFlow on the CPU, else WebAssembly. Says which and why. */
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { EngineChoice } from '../settings/choices.js';
import { nvidiaDevices } from './devices.js';
import { LINK_COMMAND, startNative } from './native/addon.js';
import { kernelsByUser } from './native/kernel-settings.js';
import type { Replays } from './replay.js';
import { startWasm } from './wasm/start.js';
import { startWebGpu } from './webgpu/start.js';

export type EngineName = 'native-gpu' | 'native-cpu' | 'wasm' | 'webgpu';

export type { EngineChoice };

export interface Engine {
  readonly name: EngineName;
  /** One sentence: why this engine and, if a faster one was passed over, the command that brings it. */
  readonly reason: string;
  /** Of what computes, e.g. `TensorFlow 2.21.0`. */
  readonly version: string;
  /** What it lacks because an earlier version linked it, and the command that renews it; null if it is of this version. */
  readonly outdated: string | null;
  /** Whether products are twice as fast where the second operand's rows are its short side. */
  readonly prefersShortRows: boolean;
  /** What share of the speed of one product (`measureMatMul`) whole passes reach, by bench/costs.ts. */
  readonly passShare: number;
  /** For computations that are done many times; dispose of them with what they compute on. Absent where none is recorded. */
  openReplays?(): Replays;
}

const PASS_SHARE = 0.7;
/** Products are most of a pass, and larger ones than the one that is measured are faster by a tenth. */
const BY_OPENBLAS = 0.85;
/** All but products is as fast without the unit, and within a pass its factors come from memory. */
const BY_MATRIX_UNIT = 0.62;

/**
 * Starts an engine and makes it the process's current one: TensorFlow.js knows one at a time. Opening another
 * later switches over; tensors of the first stay valid and move when they are next used.
 * @throws InputError if the engine asked for is not there; its message holds the command that brings it
 */
export async function openEngine({ engine = 'auto' }: { engine?: EngineChoice } = {}): Promise<Engine> {
  if (engine === 'wasm') return openWasm('wasm was asked for');
  if (engine === 'webgpu') return openWebGpu();
  if (engine !== 'auto') return openNative(engine);
  try {
    return await openNative('native');
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return openWasm(error.message);
  }
}

async function openNative(choice: 'native' | 'native-gpu' | 'native-cpu'): Promise<Engine> {
  const { version, gpu, products, matrixUnit, ...offered } = await startNative({
    gpu: choice !== 'native-cpu',
  });
  if (choice === 'native-gpu' && !gpu) throw new InputError(`engine native-gpu: ${await whyNoGpu(version)}`);
  const reason = gpu
    ? 'TensorFlow is linked and uses a GPU'
    : choice === 'native-cpu'
      ? 'native-cpu was asked for'
      : await whyNoGpu(version);
  const outdated = offered.outdated
    ? `an earlier version linked it, without all that this one has; renew it: ${LINK_COMMAND}`
    : null;
  return {
    name: gpu ? 'native-gpu' : 'native-cpu',
    reason: outdated === null ? reason : `${reason}; ${outdated}`,
    outdated,
    passShare: matrixUnit ? BY_MATRIX_UNIT : products ? BY_OPENBLAS : PASS_SHARE,
    version: `TensorFlow ${version}${products ? ` with OpenBLAS${matrixUnit ? ' and AMX' : ''}` : ''}${kernelsByUser('ONEDNN_MAX_CPU_ISA', 'OPENBLAS_CORETYPE')}`,
    prefersShortRows: true,
  };
}

async function whyNoGpu(version: string): Promise<string> {
  const [device] = await nvidiaDevices();
  if (!device) return `TensorFlow ${version} is linked; no NVIDIA GPU is found`;
  return `the linked TensorFlow ${version} does not use the ${device.name}; run: ${LINK_COMMAND} --cuda`;
}

async function openWasm(reason: string): Promise<Engine> {
  await startWasm();
  return {
    name: 'wasm',
    reason,
    outdated: null,
    version: `TensorFlow.js ${tf.version_core}`,
    prefersShortRows: false,
    passShare: PASS_SHARE,
  };
}

async function openWebGpu(): Promise<Engine> {
  const { device, openReplays } = await startWebGpu();
  const version = `TensorFlow.js ${tf.version_core} on ${device}`;
  return {
    name: 'webgpu',
    reason: 'webgpu was asked for',
    outdated: null,
    version,
    prefersShortRows: true,
    passShare: PASS_SHARE,
    openReplays,
  };
}
