/** A transformer on an engine, block by block and back. Directions join it where their coefficients are wanted. */
import * as tf from '@tensorflow/tfjs-core';
import { collectGarbage } from '../collect-garbage.js';
import type { Engine } from '../engine/engine.js';
import { type Heads, splitHeads } from '../engine/ops/attention.js';
import { FrozenLinear } from '../engine/ops/linear.js';
import { type Normalised, normalise, normalisePull } from '../engine/ops/norm.js';
import { tidy } from '../engine/ops/tidy.js';
import { heed, inOneGo, type Steps } from '../heed.js';
import type { Architecture } from '../models/architecture.js';
import { centres } from '../models/weight-forms.js';
import type { LayerWeights, Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { disposeBases, type LayerBases, NO_BASES } from './bases.js';
import { type BlockResult, type BlockTrace, forwardBlock, pullBlock } from './block.js';
import { longestOf } from './padded-prompts.js';
import { disposeStart, type PassOptions, PassStarter, type Start, type StartOptions } from './pass-start.js';
import type { KeysValues, Past } from './past.js';
import { backward, lowestPulled, onward, pullsInput } from './places.js';
import { disposePlainLayer, type PlainLayer, uploadPlainLayer } from './plain-layer.js';
import { leastShared, leftPadded } from './shared-prefix.js';

/** A block that was run. */
export interface LayerOfPass {
  layer: number;
  /**
   * Keys of all positions, [key heads, batch, positions, dHead], normalised and turned; the caller's. To be called before
   * the next block runs.
   */
  keys(): tf.Tensor4D;
}

/** What comes after the logits in a pass that is pulled back. */
export interface LossHead {
  /**
   * All that decides what `pull` computes, besides `inputs` and their shapes: an engine that has recorded a pass plays
   * it for another head with an equal key and equal shapes. So a number that `pull` divides by belongs in here.
   */
  key: Readonly<Record<string, string | number>>;
  /** All tensors that `pull` reads and that change from pass to pass, made from host arrays for this one. */
  inputs: tf.Tensor[];
  /**
   * @param logits [batch, nVocab], or [batch·positions, nVocab] where all positions are asked for
   * @returns the gradient by them, and values to be read; disposes nothing
   */
  pull(logits: tf.Tensor2D): { dLogits: tf.Tensor2D; values: tf.Scalar[] };
}

export interface TransformerOptions extends LongCall {
  /** Only the first so many blocks. */
  depth?: number;
  /** Whether logits will be asked for; they are by default. */
  logits?: boolean;
  /** Positions that must be saved in a batch so that its common beginning is computed apart; {@link leastShared} by default. */
  least?: number;
  /** Gives a layer's directions; none by default. */
  basesOf?: (layer: number, weights: LayerWeights, plain: PlainLayer) => Promise<LayerBases>;
}

export class Transformer {
  private constructor(
    /** As it is computed: its normalisations are no more than the weight form needs. */
    readonly architecture: Architecture,
    private readonly layers: (PlainLayer & LayerBases)[],
    private readonly starter: PassStarter,
    /** [dModel, nVocab]. */
    private readonly unembed: FrozenLinear | null,
  ) {}

  /** Uploads the weights, a layer at a time. */
  static async load(
    engine: Engine,
    model: Model,
    {
      depth = model.architecture.nLayers,
      logits = true,
      least = leastShared(engine, model.architecture),
      basesOf = async () => NO_BASES,
      onProgress,
      signal,
    }: TransformerOptions = {},
  ): Promise<Transformer> {
    const original = model.architecture;
    // Two passes less over the stream in every normalisation.
    const architecture: Architecture = centres(original, model.form)
      ? { ...original, norm: 'rms' }
      : original;
    const layers: (PlainLayer & LayerBases)[] = [];
    for (let layer = 0; layer < depth; layer++) {
      await heed(signal);
      onProgress?.({ stage: 'load', done: layer, total: depth });
      const weights = await model.layer(layer);
      const plain = uploadPlainLayer(engine, weights);
      layers.push({ ...plain, ...(await basesOf(layer, weights, plain)) });
      collectGarbage();
    }
    // Taken apart, so that the unembedding's host copy is not kept with the rest.
    const { unembed, ...embedding } = await model.ends();
    const { weight, rows, cols, bias } = unembed;
    const unembedding = logits ? FrozenLinear.upload(engine, weight, rows, cols, bias) : null;
    collectGarbage();
    onProgress?.({ stage: 'load', done: depth, total: depth });
    const starter = new PassStarter(architecture, original, layers, embedding, least);
    return new Transformer(architecture, layers, starter, unembedding);
  }

  /** A layer's directions. */
  basesOf(layer: number): LayerBases {
    return this.layers[layer]!;
  }

  /** Number of blocks. */
  get depth(): number {
    return this.layers.length;
  }

  /**
   * Runs prompts to their final states: [batch, dModel], of the last token; with `ends` at `all`, [batch·longest,
   * dModel], prompts padded on the left.
   */
  forward(prompts: readonly Int32Array[], options: PassOptions = {}): tf.Tensor2D {
    return inOneGo(this.steps(prompts, options));
  }

  /** The same, a block at a step. */
  *steps(prompts: readonly Int32Array[], options: PassOptions = {}): Steps<tf.Tensor2D> {
    const start = this.start(prompts, options);
    try {
      return yield* this.run(start);
    } finally {
      disposeStart(start);
    }
  }

  /** Runs the blocks alone, one each time that the next result is asked for; what hooks kept of one can be read then. */
  *layersOf(prompts: readonly Int32Array[], options: PassOptions): Generator<LayerOfPass> {
    const start = this.start(prompts, { ...options, keysWanted: true });
    let stream: tf.Tensor3D | null = null;
    let seen: KeysValues<Heads> | null = null;
    const keys = () => tf.tidy(() => this.asOnePast(seen!.keys, prompts, start));
    try {
      for (const [layer, result] of this.blocks(start)) {
        ({ stream, seen } = result);
        tf.dispose(result.trace as unknown as tf.TensorContainer);
        yield { layer, keys };
        tf.dispose(seen as unknown as tf.TensorContainer);
      }
    } finally {
      disposeStart(start);
      tf.dispose([stream, seen] as unknown as tf.TensorContainer);
    }
  }

  /** Embeds prompts, and makes ready what the blocks need. */
  start(prompts: readonly Int32Array[], options: StartOptions): Start {
    return this.starter.start(prompts, options);
  }

  /** Runs what was started to the final states, a block at a step. */
  *run(start: Start): Steps<tf.Tensor2D> {
    let stream = start.stream;
    try {
      for (const [, result] of this.blocks(start)) {
        tf.dispose(result.trace as unknown as tf.TensorContainer);
        stream = result.stream;
        yield;
      }
      const { y, rate } = this.finish(stream, start);
      const state = onward(start.hooks.final, y);
      if (state !== y) y.dispose();
      tf.dispose([rate]);
      return state;
    } finally {
      stream.dispose();
    }
  }

  /**
   * Runs what was started, and pulls back the gradient of a loss to all hooks that take one, a block at a step; returns
   * the head's values.
   */
  *pulled(start: Start, head: LossHead): Steps<tf.Tensor1D> {
    const { inputs, hooks, prefix } = start;
    const traces: BlockTrace[] = [];
    let stream = start.stream;
    let dStream: tf.Tensor3D | null = null;
    try {
      for (const [layer, { trace, stream: result }] of this.blocks(start)) {
        if (inputs[layer]!.trace) traces[layer] = trace;
        else tf.dispose(trace as unknown as tf.TensorContainer);
        stream = result;
        yield;
      }
      const final = this.finish(stream, start);
      const ends = tidy(() => {
        const state = onward(hooks.final, final.y);
        const logits = this.logits(state);
        const { dLogits, values } = head.pull(onward(hooks.logits, logits));
        const dState = this.unembed!.pull(this.uncap(backward(hooks.logits, dLogits), logits));
        const dFinal = backward(hooks.final, dState);
        const pulled = normalisePull(dFinal, final, inputs[0]!.architecture.norm);
        return { dStream: tf.reshape<tf.Rank.R3>(pulled, stream.shape), values: tf.stack(values) };
      });
      dStream = ends.dStream;
      tf.dispose([stream, final] as tf.TensorContainer);
      const lowest = lowestPulled(hooks);
      for (let layer = inputs.length - 1; layer >= lowest; layer--) {
        yield;
        const input = inputs[layer]!;
        const before = pullBlock(dStream, traces[layer]!, input, layer > lowest || pullsInput(input.hooks));
        tf.dispose([dStream, traces[layer]] as unknown as tf.TensorContainer);
        if (before.stream) dStream = before.stream;
        prefix?.pull(layer, before.past);
      }
      return ends.values as tf.Tensor1D;
    } finally {
      prefix?.dispose();
      tf.dispose([stream, dStream, traces] as unknown as tf.TensorContainer);
    }
  }

  /** Runs all positions but the last, as the plain model does but for hooks; returns each layer's keys and values. */
  *earlier(prompts: readonly Int32Array[], options: Pick<StartOptions, 'hooks' | 'bases' | 'ahead'>): Past {
    const earlier = prompts.map((ids) => ids.subarray(0, -1));
    // Positions are counted from the last token's, which padding does not change: so prompts keep their keys.
    const start = this.start(earlier, { ...options, first: -longestOf(earlier), keysWanted: true });
    let last = start.stream;
    try {
      for (const [, { seen, trace, stream }] of this.blocks(start)) {
        tf.dispose(trace as unknown as tf.TensorContainer);
        last = stream;
        const [keys, values] = [seen!.keys, seen!.values].map((x) =>
          tf.tidy(() => this.asOnePast(x, earlier, start)),
        );
        tf.dispose(seen as unknown as tf.TensorContainer);
        yield { keys: keys!, values: values! };
      }
    } finally {
      disposeStart(start);
      last.dispose();
    }
  }

  /** Logits of final states, [n, dModel] → [n, nVocab]. */
  logits(states: tf.Tensor2D): tf.Tensor2D {
    const { logitCap: cap } = this.architecture;
    const logits = this.unembed!.apply(states);
    if (cap === undefined) return logits;
    const capped = tf.tidy(() => tf.mul<tf.Tensor2D>(tf.tanh(tf.div(logits, cap)), cap));
    logits.dispose();
    return capped;
  }

  dispose(): void {
    for (const layer of this.layers) {
      disposePlainLayer(layer);
      disposeBases(layer);
    }
    this.unembed?.dispose();
  }

  /** Runs block after block. The last result's stream is the caller's, and everything else of all results. */
  private *blocks({ inputs, stream, past }: Start): Generator<[number, BlockResult]> {
    const layers = past?.[Symbol.iterator]();
    try {
      for (const input of inputs) {
        const past: KeysValues<Heads> | null = layers?.next().value ?? null;
        const result = forwardBlock(stream, { ...input, past });
        tf.dispose([stream, past] as unknown as tf.TensorContainer);
        stream = result.stream;
        yield [input.layer, result];
      }
    } finally {
      // Whoever made the past frees what it was made with.
      layers?.return?.();
    }
  }

  /** The gradient by uncapped logits: tanh's slope at l/cap is 1 − (capped/cap)². */
  private uncap(dLogits: tf.Tensor2D, capped: tf.Tensor2D): tf.Tensor2D {
    const { logitCap: cap } = this.architecture;
    if (cap === undefined) return dLogits;
    return tf.tidy(() => tf.mul(dLogits, tf.sub(1, tf.square(tf.div(capped, cap)))));
  }

  /** Heads apart, and prompts padded before a common beginning as well. */
  private asOnePast(x: Heads, prompts: readonly Int32Array[], { prefix }: Start): tf.Tensor4D {
    const { nKvHeads } = this.architecture;
    const apart = x.rank === 2 ? splitHeads(x as tf.Tensor2D, prompts.length, nKvHeads) : tf.clone(x);
    return leftPadded(apart as tf.Tensor4D, prompts, prefix?.tokens ?? 0);
  }

  private finish(stream: tf.Tensor3D, { inputs }: Start): Normalised {
    const { dModel, norm, normEpsilon } = inputs[0]!.architecture;
    return tidy(() => normalise(tf.reshape(stream, [-1, dModel]), norm, normEpsilon));
  }
}
