/** Offers TensorFlow.js the operations of `fused.cc`, where the linked addon has them. */
import * as tf from '@tensorflow/tfjs-core';
import { ONE_PASS, type OnePassSettings } from '../ops/one-pass.js';

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

/** Registers all of them, unless the addon was built before there were any. @returns whether it has them */
export function offerFused(): boolean {
  const backend = tf.backend() as unknown as NodeBackend;
  try {
    tf.tidy(() => {
      const inputs = [tf.tensor2d([[1, -1]])];
      const outputs = execute(backend, 'OrthoscopeNormalise', inputs, { factor: 0, flag: true });
      for (const output of outputs) tf.engine().makeTensorFromTensorInfo(output);
    });
  } catch {
    return false;
  }
  for (const name of Object.keys(ONE_PASS) as (keyof typeof ONE_PASS)[])
    tf.registerKernel({
      kernelName: name,
      backendName: 'tensorflow',
      kernelFunc: ({ inputs, attrs }) =>
        execute(backend, name, Object.values(inputs) as tf.TensorInfo[], attrs as OnePassSettings),
    });
  return true;
}

function execute(
  backend: NodeBackend,
  name: keyof typeof ONE_PASS,
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
  return backend.executeMultipleOutputs(name, attributes, inputs, ONE_PASS[name]);
}
