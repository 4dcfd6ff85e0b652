/**
 * What the sums of this room need of directions, from the engine that holds them anyway: nothing is read from files,
 * which for one prompt takes longer than the prompt.
 */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import type { MaskedModel } from '../forward/masked-model.js';
import type { Kind } from '../models/components.js';
import type { PlaceValues } from './place-values.js';

/**
 * What one more of each coefficient of a matrix that writes, as the coefficients' place has them, adds to what reads the
 * stream.
 * @param kind of directions that are loaded
 * @param readers [dModel] each
 * @returns [readers, the layer's directions of the kind], heads side by side
 */
export async function readByEach(
  running: MaskedModel,
  layer: number,
  kind: Kind,
  readers: readonly Float64Array[],
): Promise<Float32Array> {
  const { ov, mlp } = running.basesOf(layer);
  const { write } = kind === 'ov' ? ov! : mlp[kind]!;
  const { dModel } = running.architecture;
  const given = new Float32Array(readers.length * dModel);
  readers.forEach((reader, at) => given.set(reader, at * dModel));
  return computed(() => write.pull(toTensor(given, [readers.length, dModel]) as tf.Tensor2D));
}

/** How a layer's OV directions read what heads gather, and their shares of the output's bias; see `OutputValueBasis`. */
export interface ValueReaders {
  /** [heads, dHead, rank]. */
  read: Float32Array;
  /** [heads, rank]; null without an output bias. */
  bias: Float32Array | null;
}

export async function valueReaders(running: MaskedModel, layer: number): Promise<ValueReaders> {
  const { read, readBias } = running.basesOf(layer).ov!;
  return { read: await downloaded(read), bias: readBias && (await downloaded(readBias)) };
}

/** What each QK coefficient of a layer adds to its head's query, [heads, rank, dHead]; null but where positions turn. */
export async function queriesOnEngine(running: MaskedModel, layer: number): Promise<Float32Array | null> {
  const { back } = running.basesOf(layer).qk!;
  return back && downloaded(back);
}

/** σ_k ([1, x]·v_k) of each row of a layer's attention, [rows, heads·rank]; null where positions turn. */
export async function keysOnEngine(
  running: MaskedModel,
  values: PlaceValues,
  layer: number,
): Promise<Float32Array | null> {
  const { keys } = running.basesOf(layer).qk!;
  if (!keys) return null;
  const { data, shape } = values.of({ layer, place: 'attentionInput' });
  return computed(() => keys.apply(toTensor(data, [...shape]) as tf.Tensor2D));
}

async function computed(compute: () => tf.Tensor): Promise<Float32Array> {
  const tensor = tf.tidy(compute);
  const values = await downloaded(tensor);
  tensor.dispose();
  return values;
}

async function downloaded(tensor: tf.Tensor): Promise<Float32Array> {
  return (await tensor.data()) as Float32Array;
}
