/** The rows that directions read from, taken from named places of the forward pass. */
import * as tf from '@tensorflow/tfjs-core';
import { mergeHeads } from '../engine/ops/attention.js';
import type { BlockHooks, BlockPlace } from '../forward/places.js';
import { lastOf, rows } from '../forward/positions.js';
import type { Transformer } from '../forward/transformer.js';
import type { Source } from './reading-basis.js';

export interface LayerRun {
  layer: number;
  /**
   * [batch · columns, width], or [batch, width] where only the last column is wanted; `keys` is
   * [columns · batch, width], column by column. Prompts are padded on the left. Dispose after use.
   */
  sources: Partial<Record<Source, tf.Tensor2D>>;
}

/** Where each source comes from, and how its values become rows. */
const SOURCES: Record<Source, { place: BlockPlace; asRows: (value: tf.Tensor) => tf.Tensor2D }> = {
  attentionInput: { place: 'attentionInput', asRows: rows },
  queries: { place: 'q', asRows: (q) => mergeHeads(q as tf.Tensor4D) },
  queryRates: { place: 'queryRate', asRows: (rate) => mergeHeads(rate as tf.Tensor4D) },
  keys: { place: 'k', asRows: (k) => byColumn(k as tf.Tensor4D) },
  context: { place: 'z', asRows: (z) => mergeHeads(z as tf.Tensor4D) },
  mlpInput: { place: 'mlpInput', asRows: rows },
  mlpOutput: { place: 'mlpWritten', asRows: rows },
};

/**
 * Runs a batch, layer after layer.
 * @param wanted sources by layer
 */
export function* sourcesOfLayers(
  model: Transformer,
  prompts: readonly Int32Array[],
  lastOnly: boolean,
  wanted: (layer: number) => ReadonlySet<Source>,
): Generator<LayerRun> {
  let sources: LayerRun['sources'] = {};
  const hooksOf = (layer: number): BlockHooks =>
    Object.fromEntries(
      [...wanted(layer)].map((source) => {
        const { place, asRows } = SOURCES[source];
        const read = (value: tf.Tensor) => {
          const all = asRows(value);
          const kept = lastOnly && source !== 'keys' ? lastOf(all, prompts.length, 1) : all;
          sources[source] = tf.keep(tf.clone(kept));
        };
        return [place, { read }];
      }),
    );
  const blocks = Array.from({ length: model.depth }, (_, layer) => hooksOf(layer));
  for (const layer of model.layersOf(prompts, { hooks: { blocks }, ends: lastOnly ? 'last' : 'all' })) {
    yield { layer, sources };
    sources = {};
  }
}

/** [heads, batch, columns, width] → [columns · batch, heads · width]. */
function byColumn(k: tf.Tensor4D): tf.Tensor2D {
  const [heads, batch, columns, width] = k.shape;
  return tf.reshape(tf.transpose(k, [2, 1, 0, 3]), [columns * batch, heads * width]);
}
