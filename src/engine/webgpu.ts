/**
 * The optional engine for GPUs that no TensorFlow drives: TensorFlow.js's WebGPU backend, which is made for
 * browsers, on Google's Dawn from the `webgpu` package. Both packages are the user's to install.
 */
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';

const DAWN = 'webgpu';
const BACKEND = '@tensorflow/tfjs-backend-webgpu';

/** What is used of the `webgpu` package. */
interface Dawn {
  create(options: string[]): {
    requestAdapter(): Promise<{ info: { device?: string; description?: string } } | null>;
  };
  globals: object;
}

let device: Promise<string> | undefined;

/**
 * Makes WebGPU the current backend. Its tensors can only be read with `data()`, not with `dataSync()`.
 * @returns the name of the GPU
 * @throws InputError if a package is missing or no graphics driver is found
 */
export async function startWebGpu(): Promise<string> {
  device ??= prepare();
  const name = await device;
  if (!(await tf.setBackend('webgpu'))) throw new InputError(`engine webgpu: ${name} does not start`);
  return name;
}

async function prepare(): Promise<string> {
  const { create, globals } = (await load(DAWN)) as Dawn;
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter)
    throw new InputError('engine webgpu: no GPU with a driver for Vulkan, Metal or Direct3D 12 is found');
  // The backend expects to live in a browser: it looks for navigator.gpu and WebGPU's constants as globals.
  Object.assign(globalThis, globals);
  const host = globalThis as { navigator?: object };
  host.navigator ??= {};
  Object.defineProperty(host.navigator, 'gpu', { value: gpu, configurable: true });
  await load(BACKEND);
  return adapter.info.description || adapter.info.device || 'a GPU without a name';
}

async function load(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch {
    throw new InputError(`engine webgpu: ${name} is not installed; run: npm install ${DAWN} ${BACKEND}`);
  }
}
