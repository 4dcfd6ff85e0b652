/** Pasts of prompts on the host, in shared memory: written as pairs are prepared, uploaded in every pass. */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import { type Past, pastSize } from '../forward/past.js';
import type { Architecture } from '../models/architecture.js';
import { sharedFloat32 } from '../models/matrix.js';

/** One past a prompt, row-major [layers, 2, key heads, tokens − 1, dHead]. */
export interface KeptPasts {
  values: Float32Array;
  /** Where in `values` each prompt's begins. */
  starts: readonly number[];
  /** Tokens of each prompt. */
  lengths: readonly number[];
}

/** Room for prompts of these lengths, still empty. */
export function allocatePasts(architecture: Architecture, lengths: readonly number[]): KeptPasts {
  let end = 0;
  const starts = lengths.map((tokens) => {
    const start = end;
    end += pastSize(architecture, tokens);
    return start;
  });
  return { values: sharedFloat32(end), starts, lengths };
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
