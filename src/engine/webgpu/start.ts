/**
 * The optional engine for GPUs that no TensorFlow drives: TensorFlow.js's WebGPU backend, which is made for
 * browsers, on Google's Dawn from the `webgpu` package. Both packages are the user's to install.
 */
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../../errors.js';
import type { Replays } from '../replay.js';
import { type BackendClass, recordingBackend } from './backend.js';
import type { GpuAdapter } from './device.js';

const DAWN = 'webgpu';
const BACKEND = '@tensorflow/tfjs-backend-webgpu';

/** What the backend asks of an adapter, so that large matrices fit. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
];

/** What is used of the `webgpu` package. */
interface Dawn {
  create(options: string[]): { requestAdapter(): Promise<GpuAdapter | null> };
  globals: object;
}

export interface WebGpu {
  /** The GPU's name. */
  device: string;
  openReplays(): Replays;
}

let started: Promise<WebGpu> | undefined;

/**
 * Makes WebGPU the current backend. Its tensors can only be read with `data()`, not with `dataSync()`.
 * @throws InputError if a package is missing or no graphics driver is found
 */
export async function startWebGpu(): Promise<WebGpu> {
  started ??= start();
  const webGpu = await started;
  if (!(await tf.setBackend('webgpu')))
    throw new InputError(`engine webgpu: ${webGpu.device} does not start`);
  return webGpu;
}

async function start(): Promise<WebGpu> {
  const { create, globals } = (await load(DAWN)) as Dawn;
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter)
    throw new InputError('engine webgpu: no GPU with a driver for Vulkan, Metal or Direct3D 12 is found');
  // Loaded before the process looks like a browser, the package registers its kernels, but no backend of its own.
  const { WebGPUBackend } = (await load(BACKEND)) as { WebGPUBackend: BackendClass };
  // The class looks for navigator.gpu, and for WebGPU's classes and constants among the globals.
  Object.assign(globalThis, globals);
  const host = globalThis as { navigator?: object };
  host.navigator ??= {};
  Object.defineProperty(host.navigator, 'gpu', { value: gpu, configurable: true });
  // On the CPU, small tensors would miss a recording.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  const device = await adapter.requestDevice({
    requiredFeatures: ['timestamp-query'].filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]!])),
  });
  const backend = new (recordingBackend(WebGPUBackend))(device, adapter.info);
  tf.registerBackend('webgpu', () => backend);
  return {
    device: adapter.info.device || adapter.info.description || 'a GPU without a name',
    openReplays: () => backend.openReplays(),
  };
}

async function load(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch {
    throw new InputError(`engine webgpu: ${name} is not installed; run: npm install ${DAWN} ${BACKEND}`);
  }
}
