/** The embedded engine: TensorFlow.js's WebAssembly backend, always there, one thread, 4 GiB of memory at most. */
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { replaceKernel } from '../replace-kernel.js';
import { offerOnePass } from './one-pass.js';
import { replaceProducts } from './products.js';
import { tensorKernels } from './tensor-memory.js';

const HIJACKED = ['uncaughtException', 'unhandledRejection'] as const;

let ready: Promise<void> | undefined;

/** Makes wasm the current backend. @throws Error if the package's WebAssembly files are missing or unusable */
export async function startWasm(): Promise<void> {
  ready ??= prepare();
  await ready;
  if (!(await tf.setBackend('wasm'))) throw new Error('the wasm backend of TensorFlow.js did not start');
}

async function prepare(): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(dirname(entry) + sep);
  // Emscripten answers any uncaught error of the process by throwing it again, which hides the error under
  // its own source text and changes the exit code. Its listeners go as soon as it has added them.
  const before = HIJACKED.map((event) => process.listeners(event as 'uncaughtException'));
  await tf.setBackend('wasm');
  HIJACKED.forEach((event, i) => {
    for (const listener of process.listeners(event as 'uncaughtException'))
      if (!before[i]!.includes(listener)) process.off(event, listener);
  });
  const kernels = await tensorKernels();
  replaceProducts(kernels);
  // The backend's copies, though a tensor's values never change.
  replaceKernel('Identity', 'wasm', ({ inputs }) => kernels.share(inputs.x!));
  offerOnePass(kernels);
}
