/**
 * What lies before the last position where no mask reaches it: the keys and values of each layer there are the plain
 * model's whatever the masks, and all that the last position reads of it (docs/maths.md, "Masked forward").
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { Heads } from '../engine/ops/attention.js';
import type { Architecture } from '../models/architecture.js';
import type { Masking } from './masking-rules.js';

/**
 * Of one layer, [key heads, batch, positions, dHead] each, or inside a pass side by side; keys are normalised and turned
 * where the model does so.
 */
export interface KeysValues<T extends Heads = tf.Tensor4D> {
  keys: T;
  values: T;
}

/** Layer after layer, made as they are asked for; who takes them disposes of them. */
export type Past = Iterable<KeysValues>;

/** QK masks act at every position, OV and MLP masks at the last one only or at all. */
export function hasFixedPast({ layout, positions }: Pick<Masking, 'layout' | 'positions'>): boolean {
  return positions === 'last' && !layout.kinds.includes('qk');
}

/** Numbers in the past of a prompt of so many tokens. */
export function pastSize({ nLayers, nKvHeads, dHead }: Architecture, tokens: number): number {
  return 2 * nLayers * nKvHeads * dHead * (tokens - 1);
}
