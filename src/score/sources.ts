/** The rows that directions read from, taken from named places of the forward pass. */
import * as tf from '@tensorflow/tfjs-core';
import { mergeHeads } from '../engine/ops/attention.js';
import type { BlockHooks, BlockPlace, Hooks } from '../forward/places.js';
import { lastOf, rows } from '../forward/positions.js';
import type { Transformer } from '../forward/transformer.js';
import type { Source } from './reading-basis.js';

export interface LayerRun {
  layer: number;
  /**
   * [batch · columns, width], or [batch, width] where only the last column is wanted; `keys` is
   * [columns · batch, width], column by column. Prompts are padded on the left. Dispose after use. What `common` has is not
   * among them, but for keys.
   */
  sources: Partial<Record<Source, tf.Tensor2D>>;
  /** Of the tokens that all prompts begin with, [tokens, width]; none where only the last column is wanted. */
  common: Partial<Record<Source, tf.Tensor2D>>;
}

/** Where each source comes from, and how its values become rows. */
const SOURCES: Record<
  Exclude<Source, 'keys'>,
  { place: BlockPlace; asRows: (value: tf.Tensor) => tf.Tensor2D }
> = {
  attentionInput: { place: 'attentionInput', asRows: rows },
  queries: { place: 'q', asRows: (q) => mergeHeads(q as tf.Tensor4D) },
  queryRates: { place: 'queryRate', asRows: (rate) => mergeHeads(rate as tf.Tensor4D) },
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
  let run: Omit<LayerRun, 'layer'> = { sources: {}, common: {} };
  const hooksOf = (keep: (source: Source, rows: tf.Tensor2D) => void): Hooks => ({
    blocks: Array.from(
      { length: model.depth },
      (_, layer): BlockHooks =>
        Object.fromEntries(
          [...wanted(layer)].flatMap((source) => {
            if (source === 'keys') return [];
            const { place, asRows } = SOURCES[source];
            return [[place, { read: (value: tf.Tensor) => keep(source, asRows(value)) }]];
          }),
        ),
    ),
  });
  const hooks = hooksOf((source, all) => {
    const kept = lastOnly ? lastOf(all, prompts.length, 1) : all;
    run.sources[source] = tf.keep(tf.clone(kept));
  });
  const ahead = hooksOf((source, all) => {
    run.common[source] = tf.keep(tf.clone(all));
  });
  const how = { hooks, ahead: lastOnly ? {} : ahead, ends: lastOnly ? 'last' : 'all' } as const;
  for (const { layer, keys } of model.layersOf(prompts, how)) {
    if (wanted(layer).has('keys')) run.sources.keys = tf.tidy(() => byColumn(keys()));
    yield { layer, ...run };
    run = { sources: {}, common: {} };
  }
}

/** [heads, batch, columns, width] → [columns · batch, heads · width]. */
function byColumn(k: tf.Tensor4D): tf.Tensor2D {
  const [heads, batch, columns, width] = k.shape;
  return tf.reshape(tf.transpose(k, [2, 1, 0, 3]), [columns * batch, heads * width]);
}
