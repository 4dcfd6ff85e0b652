/**
 * Directions projected out of the stream: not what a component writes along them, but all that is there, from the place
 * on where the first of them is written (Arditi et al. 2024, https://arxiv.org/abs/2406.11717, "directional ablation").
 */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import type { BlockHooks, Hook, Hooks } from '../forward/places.js';
import type { Direction } from './coefficients.js';

/** Vectors that are orthonormal, in the order in which passes come by the places where they are written. */
export interface Basis {
  vectors: Float64Array[];
  /** Of each, the layer, and whether it is there before the layer's MLP. */
  from: { layer: number; between: boolean }[];
}

/** @param vectors what each direction writes, [dModel] */
export function basisOf(directions: readonly Direction[], vectors: readonly Float64Array[]): Basis {
  const basis: Basis = { vectors: [], from: [] };
  const order = [...directions.keys()].sort((a, b) => placeOf(directions[a]!) - placeOf(directions[b]!));
  for (const k of order) {
    const vector = vectors[k]!.slice();
    const length = Math.hypot(...vector);
    for (const other of basis.vectors) {
      const along = vector.reduce((sum, value, i) => sum + value * other[i]!, 0);
      for (let i = 0; i < vector.length; i++) vector[i]! -= along * other[i]!;
    }
    const rest = Math.hypot(...vector);
    // Others span it already.
    if (rest <= 1e-6 * length) continue;
    const { layer, kind } = directions[k]!.component;
    basis.vectors.push(vector.map((value) => value / rest));
    basis.from.push({ layer, between: kind === 'ov' });
  }
  return basis;
}

function placeOf({ component: { layer, kind } }: Direction): number {
  return 2 * layer + (kind === 'ov' ? 0 : 1);
}

/**
 * @param tokens of each prompt, those at which the stream loses its part in the basis
 * @param scale what it loses of it: 1 all, 2 mirrors the stream
 */
export function projectOut(
  { vectors, from }: Basis,
  nLayers: number,
  prompts: readonly Int32Array[],
  tokens: readonly (readonly number[])[],
  scale: number,
): Hooks {
  const blocks: BlockHooks[] = [];
  for (let layer = 0; layer < nLayers; layer++) {
    const between = from.filter((at) => at.layer < layer || (at.layer === layer && at.between)).length;
    const after = from.filter((at) => at.layer <= layer).length;
    if (after === 0) continue;
    const hook = (count: number) => hookOf(vectors.slice(0, count), prompts, tokens, scale);
    blocks[layer] = { ...(between > 0 && { streamBetween: hook(between) }), streamAfter: hook(after) };
  }
  return { blocks };
}

function hookOf(
  vectors: readonly Float64Array[],
  prompts: readonly Int32Array[],
  tokens: readonly (readonly number[])[],
  scale: number,
): Hook {
  return {
    replace(value) {
      const [batch, columns] = value.shape as [number, number, number];
      const chosen = new Float32Array(batch * columns);
      prompts.forEach(({ length }, prompt) => {
        for (const token of tokens[prompt]!) {
          const column = columns - length + token;
          // The place has no such position where nothing that is computed reads it.
          if (column >= 0) chosen[prompt * columns + column] = scale;
        }
      });
      const flat = tf.reshape(value, [batch * columns, -1]) as tf.Tensor2D;
      const lost = tf.mul(partIn(vectors, flat), toTensor(chosen, [batch * columns, 1]));
      return tf.sub(value, tf.reshape(lost, value.shape));
    },
  };
}

/** The part of each row of `state` that lies in the span of orthonormal vectors. */
export function partIn(vectors: readonly Float64Array[], state: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const rows = Float32Array.from(vectors.flatMap((vector) => [...vector]));
    const basis = toTensor(rows, [vectors.length, vectors[0]!.length]) as tf.Tensor2D;
    return tf.matMul<tf.Tensor2D>(tf.matMul(state, tf.transpose(basis)), basis);
  });
}

export function centred(vector: Float64Array): Float64Array {
  const mean = vector.reduce((sum, value) => sum + value, 0) / vector.length;
  return vector.map((value) => value - mean);
}
