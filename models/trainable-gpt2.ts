/** The GPT-2 layout with weights that can be trained: names and shapes of Hugging Face's files, gradients by the engine. */
import * as tf from '@tensorflow/tfjs-core';
import { activate } from '../src/engine/ops/activation.js';
import { attend, mergeHeads, splitHeads } from '../src/engine/ops/attention.js';
import { normalise } from '../src/engine/ops/norm.js';
import type { Random } from '../src/random.js';

export type Tensor = tf.Tensor;
export type Matrix = tf.Tensor2D;

export interface Gpt2Shape {
  layers: number;
  heads: number;
  dModel: number;
  dMlp: number;
  /** Tokens. */
  vocabulary: number;
  /** Longest sequence, in tokens. */
  positions: number;
}

/** Row-major. */
export interface Parameter {
  dtype: 'F32';
  shape: number[];
  data: Float32Array;
}

/** By tensor name; embedding and unembedding are one matrix. */
export type Parameters = ReadonlyMap<string, Parameter>;

export const NORM_EPSILON = 1e-5;

/**
 * Matrices are normally distributed with the given standard deviation, divided by √(2·layers) for those that write
 * to the stream (Radford et al. 2019); gains are 1, biases 0.
 */
export function initialParameters(shape: Gpt2Shape, deviation: number, random: Random): Parameters {
  const { layers, dModel: d, dMlp, vocabulary, positions } = shape;
  const parameters = new Map<string, Parameter>();
  const add = (name: string, shape: number[], value: () => number) => {
    const size = shape.reduce((product, side) => product * side, 1);
    parameters.set(`transformer.${name}`, { dtype: 'F32', shape, data: new Float32Array(size).map(value) });
  };
  const normal = (name: string, rows: number, cols: number, spread = deviation) =>
    add(name, [rows, cols], () => spread * random.normal());
  const linear = (name: string, rows: number, cols: number, spread = deviation) => {
    normal(`${name}.weight`, rows, cols, spread);
    add(`${name}.bias`, [cols], () => 0);
  };
  const norm = (name: string) => {
    add(`${name}.weight`, [d], () => 1);
    add(`${name}.bias`, [d], () => 0);
  };
  const writing = deviation / Math.sqrt(2 * layers);
  normal('wte.weight', vocabulary, d);
  normal('wpe.weight', positions, d);
  for (let layer = 0; layer < layers; layer++) {
    norm(`h.${layer}.ln_1`);
    linear(`h.${layer}.attn.c_attn`, d, 3 * d);
    linear(`h.${layer}.attn.c_proj`, d, d, writing);
    norm(`h.${layer}.ln_2`);
    linear(`h.${layer}.mlp.c_fc`, d, dMlp);
    linear(`h.${layer}.mlp.c_proj`, dMlp, d, writing);
  }
  norm('ln_f');
  return parameters;
}

/** What the model reads: sequences of different lengths as one rectangle, padded on the left. */
export interface TokenBatch {
  sequences: number;
  /** [sequences·longest, vocabulary], one-hot: a lookup whose gradient every engine has. Zeros at padding. */
  tokens: Matrix;
  /** [sequences·longest, positions], one-hot; zeros at padding. */
  places: Matrix;
  /** [1, sequences or 1, longest, longest]: 0 where a key may be seen, a large negative number elsewhere. */
  attentionBias: tf.Tensor4D;
}

/**
 * Logits at every position, [sequences·longest, vocabulary].
 * @param weights a tensor a parameter, by the same names
 */
export function forward(
  { layers, heads, dModel }: Gpt2Shape,
  weights: ReadonlyMap<string, Tensor>,
  { sequences, tokens, places, attentionBias }: TokenBatch,
): Matrix {
  const weight = (name: string) => weights.get(`transformer.${name}`) as Matrix;
  const linear = (x: Matrix, name: string) =>
    tf.add<Matrix>(tf.matMul(x, weight(`${name}.weight`)), weight(`${name}.bias`));
  const norm = (x: Matrix, name: string) => {
    const { y } = normalise(x, 'layer', NORM_EPSILON);
    return tf.add<Matrix>(tf.mul(y, weight(`${name}.weight`)), weight(`${name}.bias`));
  };
  const attention = (x: Matrix, block: string) => {
    const [q, k, v] = tf.split(linear(x, `${block}.attn.c_attn`), 3, 1);
    const split = (part: Tensor) => splitHeads(part as Matrix, sequences, heads);
    const scoring = { bias: attentionBias, scale: 1 / Math.sqrt(dModel / heads) };
    const { z } = attend(split(q!), split(k!), split(v!), scoring);
    return linear(mergeHeads(z), `${block}.attn.c_proj`);
  };
  const mlp = (x: Matrix, block: string) =>
    linear(activate(linear(x, `${block}.mlp.c_fc`), 'gelu_new', false).y, `${block}.mlp.c_proj`);

  const embed = weight('wte.weight');
  let stream = tf.add<Matrix>(tf.matMul(tokens, embed), tf.matMul(places, weight('wpe.weight')));
  for (let layer = 0; layer < layers; layer++) {
    const block = `h.${layer}`;
    stream = tf.add(stream, attention(norm(stream, `${block}.ln_1`), block));
    stream = tf.add(stream, mlp(norm(stream, `${block}.ln_2`), block));
  }
  return tf.matMul(norm(stream, 'ln_f'), embed, false, true);
}
