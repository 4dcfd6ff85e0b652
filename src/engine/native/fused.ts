/** Offers TensorFlow.js the operations of `fused.cc`, where the linked addon has them. */
import * as tf from '@tensorflow/tfjs-core';
import { ONE_PASS, type OnePassSettings } from '../ops/one-pass.js';
import { type KernelCall, replaceKernel } from '../replace-kernel.js';

/** As tfjs-node names it. */
const BACKEND = 'tensorflow';

/** Of tfjs-node's backend, what running an operation takes. */
interface NodeBackend {
  binding: { TF_ATTR_INT: number; TF_ATTR_FLOAT: number; TF_ATTR_BOOL: number };
  executeMultipleOutputs(
    name: string,
    attributes: { name: string; type: number; value: number | boolean }[],
    inputs: tf.TensorInfo[],
    outputs: number,
  ): tf.TensorInfo[];
}

/** Products without a bias take the place of TensorFlow.js's kernel: they are wanted everywhere. */
type Name = keyof typeof ONE_PASS | 'OrthoscopeProduct';

/** Those that OpenBLAS takes part in: an addon without it has none of them. */
export const OF_PRODUCTS: ReadonlySet<Name> = new Set([
  'OrthoscopeBiasedProduct',
  'OrthoscopeByHead',
  'OrthoscopeBiasedByHead',
]);

/** What an addon has. */
export interface Offered {
  /** Whether it lacks an operation of this version: an earlier one linked it. None but products are offered then. */
  outdated: boolean;
  /** OpenBLAS. */
  products: boolean;
  /** Whether the processor's matrix unit takes those that are worth it. */
  matrixUnit: boolean;
}

/** Registers those that the addon has. */
export function offerFused(): Offered {
  const backend = tf.backend() as unknown as NodeBackend;
  const one = () => tf.tensor2d([[1]]);
  const matrices = () => tf.tensor3d([[[1]]]);
  const products = runs(backend, 'OrthoscopeByHead', () => [one(), matrices()], {});
  const openblas = knows(backend, 'OrthoscopeProduct');
  const names = Object.keys(ONE_PASS) as (keyof typeof ONE_PASS)[];
  const outdated = names.some((name) => (openblas || !OF_PRODUCTS.has(name)) && !knows(backend, name));
  const matrixUnit = knows(backend, 'OrthoscopeMatrixUnitProduct');
  if (products) replaceProducts(backend);
  for (const name of names)
    if (OF_PRODUCTS.has(name) ? products : !outdated)
      tf.registerKernel({
        kernelName: name,
        backendName: BACKEND,
        kernelFunc: ({ inputs, attrs }) =>
          execute(backend, name, Object.values(inputs) as tf.TensorInfo[], attrs as OnePassSettings),
      });
  return { outdated, products, matrixUnit };
}

/** As TensorFlow numbers what it has not found. */
const NOT_FOUND = 'TF_Status: 5';

/** Whether the addon has an operation of this name: called without inputs none runs, but fails for another reason. */
export function knows(backend: Pick<NodeBackend, 'executeMultipleOutputs'>, name: string): boolean {
  try {
    backend.executeMultipleOutputs(name, [], [], 1);
  } catch (error) {
    return !(error as Error).message.includes(NOT_FOUND);
  }
  return true;
}

/** Whether the addon has an operation, and it works. */
function runs(
  backend: NodeBackend,
  name: Name,
  inputs: () => tf.Tensor[],
  attributes: OnePassSettings,
): boolean {
  try {
    tf.tidy(() => {
      for (const output of execute(backend, name, inputs(), attributes))
        tf.engine().makeTensorFromTensorInfo(output);
    });
    return true;
  } catch {
    return false;
  }
}

/** By one matrix; what is rarely asked for, and many matrices by many, stays TensorFlow's. */
function replaceProducts(backend: NodeBackend): void {
  const product = ({ inputs, attrs }: KernelCall) => {
    const { a, b, bias, preluActivationWeights } = inputs as Record<string, tf.TensorInfo | undefined>;
    const { transposeA, transposeB, activation = 'linear' } = attrs as Record<string, unknown>;
    const floats = a!.dtype === 'float32' && b!.dtype === 'float32';
    const one = b!.shape.length <= a!.shape.length && b!.shape.slice(0, -2).every((count) => count === 1);
    const plain = !transposeA && activation === 'linear' && !preluActivationWeights;
    if (!floats || !one || !plain || (bias && bias.shape.length !== 1)) return null;
    const factors = bias ? [a!, b!, bias] : [a!, b!];
    const name = bias ? 'OrthoscopeBiasedProduct' : 'OrthoscopeProduct';
    return execute(backend, name, factors, { flag: transposeB === true })[0]!;
  };
  replaceKernel('BatchMatMul', BACKEND, product);
  replaceKernel('_FusedMatMul', BACKEND, product);
}

function execute(
  backend: NodeBackend,
  name: Name,
  inputs: tf.TensorInfo[],
  { kind = 0, heads = 0, shared = 0, factor = 0, flag = false }: OnePassSettings,
): tf.TensorInfo[] {
  const { TF_ATTR_INT, TF_ATTR_FLOAT, TF_ATTR_BOOL } = backend.binding;
  const attributes = [
    { name: 'kind', type: TF_ATTR_INT, value: kind },
    { name: 'heads', type: TF_ATTR_INT, value: heads },
    { name: 'shared', type: TF_ATTR_INT, value: shared },
    { name: 'factor', type: TF_ATTR_FLOAT, value: factor },
    { name: 'flag', type: TF_ATTR_BOOL, value: flag },
  ];
  const outputs = name in ONE_PASS ? ONE_PASS[name as keyof typeof ONE_PASS] : 1;
  return backend.executeMultipleOutputs(name, attributes, inputs, outputs);
}
