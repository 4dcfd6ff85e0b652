/** A layer's plain weights on the engine. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine/engine.js';
import { FrozenLinear } from '../engine/ops/linear.js';
import { toTensor } from '../engine/tensor.js';
import type { LayerWeights, Linear } from '../models/weights.js';

export interface PlainLayer {
  query: FrozenLinear;
  key: FrozenLinear;
  value: FrozenLinear;
  output: FrozenLinear;
  mlpIn: FrozenLinear;
  mlpGate: FrozenLinear | null;
  mlpOut: FrozenLinear;
  /** Weights of the mean squares in normalisations of what a matrix writes (`LayerWeights.norms`). */
  norms: Partial<Record<keyof NonNullable<LayerWeights['norms']>, tf.Tensor1D>>;
}

export function uploadPlainLayer(engine: Engine, weights: LayerWeights): PlainLayer {
  const plain = ({ weight, rows, cols, bias }: Linear) =>
    FrozenLinear.upload(engine, weight, rows, cols, bias);
  return {
    query: plain(weights.q),
    key: plain(weights.k),
    value: plain(weights.v),
    output: plain(weights.o),
    mlpIn: plain(weights.mlpIn),
    mlpGate: weights.mlpGate && plain(weights.mlpGate),
    mlpOut: plain(weights.mlpOut),
    norms: Object.fromEntries(
      Object.entries(weights.norms ?? {}).flatMap(([name, values]) =>
        values ? [[name, toTensor(values, [values.length])]] : [],
      ),
    ),
  };
}

export function disposePlainLayer(layer: PlainLayer): void {
  const { query, key, value, output, mlpIn, mlpGate, mlpOut, norms } = layer;
  for (const linear of [query, key, value, output, mlpIn, mlpGate, mlpOut]) linear?.dispose();
  for (const tensor of Object.values(norms)) tensor.dispose();
}
