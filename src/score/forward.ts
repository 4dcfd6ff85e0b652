/** The unmasked model run block by block, with the rows that directions read from. */
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine/engine.js';
import { attend, mergeHeads, repeatHeads, splitHeads } from '../engine/ops/attention.js';
import { normalise, outputRate } from '../engine/ops/norm.js';
import { type RotaryTable, rotaryTable, rotate } from '../engine/ops/rotary.js';
import { tidy } from '../engine/ops/tidy.js';
import { toTensor } from '../engine/tensor.js';
import { throwIfAborted } from '../errors.js';
import { disposeLayer, type LayerBases, uploadLayer } from '../forward/bases.js';
import { plainMlpForward } from '../forward/mlp.js';
import { outputNorm } from '../forward/output-norm.js';
import { causalBias, embedPrompts, longestOf } from '../forward/padded-prompts.js';
import { lastOf, rows } from '../forward/positions.js';
import type { Architecture, Rotary } from '../models/architecture.js';
import type { EndWeights, Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import type { Source } from './reading-basis.js';

export interface LayerRun {
  layer: number;
  /**
   * [batch · columns, width], or [batch, width] where only the last column is wanted; `keys` is
   * [columns · batch, width], column by column. Prompts are padded on the left. Dispose after use.
   */
  sources: Partial<Record<Source, tf.Tensor2D>>;
}

export class PlainModel {
  private constructor(
    readonly architecture: Architecture,
    private readonly ends: EndWeights,
    private readonly layers: LayerBases[],
  ) {}

  /** Uploads the plain weights of the first `depth` layers. */
  static async load(
    engine: Engine,
    model: Model,
    depth: number,
    { onProgress, signal }: LongCall = {},
  ): Promise<PlainModel> {
    const layers: LayerBases[] = [];
    for (let layer = 0; layer < depth; layer++) {
      throwIfAborted(signal);
      onProgress?.({ stage: 'upload', done: layer, total: depth });
      layers.push(uploadLayer(engine, model.architecture, layer, await model.layer(layer), new Map(), []));
    }
    onProgress?.({ stage: 'upload', done: depth, total: depth });
    return new PlainModel(model.architecture, await model.ends(), layers);
  }

  /**
   * Runs a batch; nothing is computed that no later layer and no source needs.
   * @param wanted sources by layer
   */
  *run(
    prompts: readonly Int32Array[],
    lastOnly: boolean,
    wanted: (layer: number) => ReadonlySet<Source>,
  ): Generator<LayerRun> {
    const { architecture } = this;
    const bias = causalBias(prompts);
    // Most models turn alike in all layers: one table for each way of turning.
    const tables = new Map<Rotary, RotaryTable>();
    for (const rotary of new Set(architecture.rotary))
      tables.set(rotary, rotaryTable(rotary, longestOf(prompts)));
    const embedded = embedPrompts(prompts, this.ends, architecture.dModel);
    let stream = toTensor(embedded, [prompts.length, longestOf(prompts), architecture.dModel]) as tf.Tensor3D;
    try {
      for (const [layer, weights] of this.layers.entries()) {
        const final = layer === this.layers.length - 1;
        const result = block(stream, {
          weights,
          architecture,
          layer,
          queries: final && lastOnly ? 1 : stream.shape[1],
          bias,
          rotary: architecture.rotary ? tables.get(architecture.rotary[layer]!)! : null,
          lastOnly,
          wanted: wanted(layer),
        });
        stream.dispose();
        stream = result.stream;
        yield { layer, sources: result.sources };
      }
    } finally {
      tf.dispose([stream, bias]);
      for (const { cos, sin } of tables.values()) tf.dispose([cos, sin]);
    }
  }

  dispose(): void {
    this.layers.forEach(disposeLayer);
  }
}

interface BlockPass {
  weights: LayerBases;
  architecture: Architecture;
  layer: number;
  /** Columns that are computed: the last ones. */
  queries: number;
  bias: tf.Tensor4D;
  rotary: RotaryTable | null;
  lastOnly: boolean;
  wanted: ReadonlySet<Source>;
}

/** @param stream [batch, columns, dModel] */
function block(stream: tf.Tensor3D, pass: BlockPass): { stream: tf.Tensor3D; sources: LayerRun['sources'] } {
  const { weights, architecture, layer, queries, bias, lastOnly, wanted } = pass;
  const { nHeads, nKvHeads, norm, normEpsilon, parallelResidual, attentionScale, scoreCap } = architecture;
  return tidy(() => {
    const [batch, columns, d] = stream.shape;
    const sources: LayerRun['sources'] = {};
    const note = (source: Source, x: () => tf.Tensor2D) => {
      if (wanted.has(source)) sources[source] = tf.clone(lastOnly ? lastOf(x(), batch, 1) : x());
    };

    const input = normalise(rows(stream), norm, normEpsilon).y;
    const queryInput = lastOf(input, batch, queries);
    note('attentionInput', () => queryInput);
    const { q, k, rates } = queriesAndKeys(input, queryInput, batch, pass);
    note('queries', () => mergeHeads(q));
    if (rates) note('queryRates', () => mergeHeads(rates));
    if (wanted.has('keys')) sources.keys = byColumn(k);
    const v = splitHeads(weights.value.apply(input), batch, nKvHeads);
    const seen = tf.slice(bias, [0, 0, columns - queries, 0]);
    const scale = attentionScale[layer]!;
    const { z } = attend(q, repeatHeads(k, nHeads), repeatHeads(v, nHeads), seen, scale, scoreCap);
    const context = mergeHeads(z);
    note('context', () => context);
    const kept = tf.slice(stream, [0, columns - queries, 0]);
    const written = tf.reshape(weights.output.apply(context), [batch, queries, d]) as tf.Tensor3D;
    const middle = tf.add(kept, outputNorm(written, weights.norms.attention, normEpsilon).y);

    const mlpInput = normalise(rows(parallelResidual ? kept : middle), norm, normEpsilon).y;
    note('mlpInput', () => mlpInput);
    const { output } = plainMlpForward(mlpInput, weights, architecture, false);
    note('mlpOutput', () => output);
    const added = outputNorm(
      tf.reshape(output, [batch, queries, d]) as tf.Tensor3D,
      weights.norms.mlp,
      normEpsilon,
    ).y;
    return { stream: tf.add(middle, added) as tf.Tensor3D, sources };
  });
}

/** q [heads, batch, queries, width], k [key heads, batch, columns, width], and the rates of normalised queries. */
function queriesAndKeys(
  input: tf.Tensor2D,
  queryInput: tf.Tensor2D,
  batch: number,
  { weights, architecture, rotary }: BlockPass,
): { q: tf.Tensor4D; k: tf.Tensor4D; rates: tf.Tensor4D | null } {
  const { nHeads, nKvHeads, queryKeyNorm } = architecture;
  let q = splitHeads(weights.query.apply(queryInput), batch, nHeads);
  let k = splitHeads(weights.key.apply(input), batch, nKvHeads);
  let rates: tf.Tensor4D | null = null;
  if (queryKeyNorm !== undefined) {
    rates = outputRate(q, weights.norms.query!, queryKeyNorm);
    q = tf.mul(q, rates);
    k = tf.mul(k, outputRate(k, weights.norms.key!, queryKeyNorm));
  }
  if (rotary) [q, k] = [rotate(q, rotary, 1), rotate(k, rotary, 1)];
  return { q, k, rates };
}

/** [heads, batch, columns, width] → [columns · batch, heads · width]. */
function byColumn(k: tf.Tensor4D): tf.Tensor2D {
  const [heads, batch, columns, width] = k.shape;
  return tf.reshape(tf.transpose(k, [2, 1, 0, 3]), [columns * batch, heads * width]);
}
