/**
 * What lies before the last position where no mask reaches it: the keys and values of each layer there are the plain
 * model's whatever the masks, and all that the last position reads of it (docs/maths.md, "Masked forward").
 */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import type { Architecture } from '../models/architecture.js';
import type { Masking } from './pair-data.js';

/** Of one layer, [key heads, batch, positions, dHead] each; keys are normalised and turned where the model does so. */
export interface KeysValues {
  keys: tf.Tensor4D;
  values: tf.Tensor4D;
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

/** Pasts on the host, one a prompt: row-major [layers, 2, key heads, tokens − 1, dHead]. */
export interface KeptPasts {
  values: Float32Array;
  /** Where in `values` each prompt's begins. */
  starts: readonly number[];
  /** Tokens of each prompt. */
  lengths: readonly number[];
}

/**
 * Writes one layer of a batch to its prompts' places.
 * @param prompts [batch] which of those in `kept`
 * @param padded keys and values, padded on the left: [key heads, batch, longest − 1, dHead] each
 */
export function keepLayer(
  kept: KeptPasts,
  architecture: Architecture,
  layer: number,
  prompts: readonly number[],
  padded: readonly [Float32Array, Float32Array],
): void {
  eachHead(kept, architecture, layer, prompts, (own, part, at) =>
    own.set(padded[part].subarray(at, at + own.length)),
  );
}

/** Uploads the pasts of some prompts, of which one has more than a token. */
export function* keptPast(kept: KeptPasts, architecture: Architecture, prompts: readonly number[]): Past {
  const { nLayers, nKvHeads, dHead } = architecture;
  const shape = [nKvHeads, prompts.length, longestAmong(kept, prompts) - 1, dHead];
  const size = tf.util.sizeFromShape(shape);
  for (let layer = 0; layer < nLayers; layer++) {
    const padded = [new Float32Array(size), new Float32Array(size)] as const;
    eachHead(kept, architecture, layer, prompts, (own, part, at) => padded[part].set(own, at));
    const [keys, values] = padded.map((array) => toTensor(array, shape) as tf.Tensor4D);
    yield { keys: keys!, values: values! };
  }
}

/** Calls `use` with a view of each prompt's and head's keys (part 0) or values (1), and where they begin in a padded batch. */
function eachHead(
  kept: KeptPasts,
  { nKvHeads, dHead }: Architecture,
  layer: number,
  prompts: readonly number[],
  use: (own: Float32Array, part: 0 | 1, at: number) => void,
): void {
  const width = (longestAmong(kept, prompts) - 1) * dHead;
  for (const part of [0, 1] as const)
    for (let head = 0; head < nKvHeads; head++)
      prompts.forEach((prompt, row) => {
        const size = (kept.lengths[prompt]! - 1) * dHead;
        const from = kept.starts[prompt]! + ((2 * layer + part) * nKvHeads + head) * size;
        const end = (head * prompts.length + row + 1) * width;
        use(kept.values.subarray(from, from + size), part, end - size);
      });
}

function longestAmong({ lengths }: KeptPasts, prompts: readonly number[]): number {
  return prompts.reduce((longest, prompt) => Math.max(longest, lengths[prompt]!), 0);
}
