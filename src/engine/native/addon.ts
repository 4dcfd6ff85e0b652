/** The native engine: TensorFlow through the addon of tfjs-node-gpu, once `orthoscope engine link` has built it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { coresHere } from '../../cores.js';
import { InputError } from '../../errors.js';
import { addonPackage, addonPath } from './addon-place.js';
import { type Offered, offerFused } from './fused.js';
import { linkedProduct } from './host-kernels.js';
import './removed-from-node.js';

export const LINK_COMMAND = 'orthoscope engine link';

const require = createRequire(import.meta.url);

export interface LinkedTensorFlow {
  /** TensorFlow's own, e.g. `2.21.0`. */
  version: string;
  /** Whether tensors live on a GPU. */
  gpu: boolean;
}

export interface NativeBackend extends LinkedTensorFlow, Offered {}

let started: NativeBackend | undefined;

/**
 * Makes TensorFlow the current backend, loading it at the first call, which takes about a second.
 * @param options.gpu false hides GPUs from it; only the first call in a process can
 * @throws InputError if it is not linked, does not load or does not compute; the message holds the command
 */
export async function startNative({ gpu }: { gpu: boolean }): Promise<NativeBackend> {
  started ??= load(gpu);
  if (started.gpu && !gpu)
    throw new InputError('engine native-cpu: this process already uses the GPU; start another process');
  await tf.setBackend('tensorflow');
  return started;
}

function load(gpu: boolean): NativeBackend {
  const folder = addonPackage();
  if (!existsSync(addonPath(folder))) throw new InputError(`no TensorFlow is linked; run: ${LINK_COMMAND}`);
  requireOneCore(folder);
  quieten();
  keepToQuota();
  const visible = process.env.CUDA_VISIBLE_DEVICES;
  if (!gpu) process.env.CUDA_VISIBLE_DEVICES = '-1';
  try {
    require(folder);
    const backend = tf.backend() as unknown as {
      binding: { TF_Version: string };
      isUsingGpuDevice: boolean;
    };
    proveItComputes();
    const { isUsingGpuDevice: usesGpu } = backend;
    // They are made for the CPU: on a GPU tensors would travel to and fro.
    const offered = usesGpu ? { outdated: false, products: false, matrixUnit: false } : offerFused();
    const outdated = offered.outdated || (offered.products && !linkedProduct());
    return { version: backend.binding.TF_Version, gpu: usesGpu, ...offered, outdated };
  } catch (error) {
    const [cause] = String((error as Error).message).split('\n');
    throw new InputError(`the linked TensorFlow does not work (${cause}); run: ${LINK_COMMAND}`);
  } finally {
    if (!gpu) restore('CUDA_VISIBLE_DEVICES', visible);
  }
}

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** Unless the user says otherwise: TensorFlow counts the machine's cores, not those of a container's quota. */
function keepToQuota(): void {
  if (coresHere() < availableParallelism()) process.env.TF_NUM_INTRAOP_THREADS ??= String(coresHere());
}

/** Unless the user says otherwise: of TensorFlow's remarks only errors, and GPU memory as needed, not all of it. */
function quieten(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
}

/** A library that loads is not yet one that runs on this GPU and driver. */
function proveItComputes(): void {
  const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync());
  if (product[0] !== 11) throw new Error(`it says that 1·3 + 2·4 = ${product[0]}`);
}

/** Two copies of tfjs-core have two tensor classes, and fail far from here. */
function requireOneCore(packageFolder: string): void {
  const union = createRequire(join(packageFolder, 'package.json')).resolve('@tensorflow/tfjs');
  const theirs = createRequire(union).resolve('@tensorflow/tfjs-core');
  const ours = require.resolve('@tensorflow/tfjs-core');
  if (theirs !== ours)
    throw new InputError(`two copies of @tensorflow/tfjs-core, ${ours} and ${theirs}; run: npm dedupe`);
}
