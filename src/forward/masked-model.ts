/** A decomposed model on an engine: runs it with or without masks, and pulls gradients back to the masks. */
import * as tf from '@tensorflow/tfjs-core';
import { collectGarbage } from '../collect-garbage.js';
import type { Decomposition } from '../decompose/directions.js';
import { planeSizesOf } from '../decompose/factors.js';
import type { Engine } from '../engine/engine.js';
import { FrozenLinear } from '../engine/ops/linear.js';
import { type Normalised, normalise, normalisePull } from '../engine/ops/norm.js';
import { type RotaryTable, rotaryTable } from '../engine/ops/rotary.js';
import { tidy } from '../engine/ops/tidy.js';
import type { Replays } from '../engine/replay.js';
import { toTensor } from '../engine/tensor.js';
import { InputError, throwIfAborted } from '../errors.js';
import type { Architecture, Rotary } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import { planesOf } from '../models/qk-split.js';
import { centres } from '../models/weight-forms.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { disposeLayer, type LayerBases, uploadLayer } from './bases.js';
import { type BlockResult, type BlockTrace, forwardBlock, pullBlock } from './block.js';
import { MaskLayout } from './layout.js';
import type { BlockInput, PerKind } from './masking.js';
import type { Positions } from './masking-rules.js';
import { causalBias, type Embedding, embedPrompts, longestOf } from './padded-prompts.js';
import { hasFixedPast, type KeysValues, type Past } from './past.js';
import { foldOverPlanes, spreadOverPlanes } from './planes.js';

/** Per layer and kind, what replaces masked-out coefficients (see `BlockInput.baseline`). */
export type Baseline = PerKind<tf.Tensor2D>[];

export interface RunOptions {
  /** Flat mask vector in the layout's order; without it the model runs unmasked, on its plain weights. */
  masks?: Float32Array;
  /** Zero everywhere if absent. Not disposed here. */
  baseline?: Baseline;
  /** Return the coefficients of every layer; only for unmasked runs. */
  collect?: boolean;
  /** What {@link MaskedModel.past} gives for these prompts, kept from before. Disposed here. */
  past?: Past | null;
}

export interface Run {
  /** Final normalised stream at the last token, [batch, dModel]. */
  state: tf.Tensor2D;
  /** Per layer, [batch·masked positions, directions]; empty unless collected. */
  coefficients: PerKind<tf.Tensor2D>[];
}

/** What comes after the logits in a pass that is pulled back. */
export interface LossHead {
  /** Where it is the same, and the shapes of `inputs` too, so is all of `pull` but their values. */
  name: string;
  /** Made from host arrays for this pass. */
  inputs: tf.Tensor[];
  /**
   * @param logits [batch, nVocab]
   * @returns the gradient by them, and values to be read; disposes nothing
   */
  pull(logits: tf.Tensor2D): { dLogits: tf.Tensor2D; values: tf.Scalar[] };
}

/** Where a pass begins. */
interface Start {
  inputs: BlockInput[];
  stream: tf.Tensor3D;
  /** Attention bias and rotary tables, of all blocks. */
  shared: (tf.Tensor4D | RotaryTable)[];
  past: Past | null;
}

export class MaskedModel {
  /** By batch, as long as somebody holds it: steps on the same one follow each other. */
  private readonly embedded = new WeakMap<readonly Int32Array[], Float32Array>();

  private constructor(
    readonly engine: Engine,
    readonly architecture: Architecture,
    readonly layout: MaskLayout,
    readonly positions: Positions,
    private readonly embedding: Embedding,
    private readonly bases: LayerBases[],
    /** [dModel, nVocab]. */
    private readonly unembed: FrozenLinear,
    /** Singular value of each masked direction, in the layout's order. */
    readonly sigma: Float32Array,
    /** Of each layer, where QK is masked by rotary plane. */
    private readonly planes: [number, number][][] | null,
    private readonly replays: Replays,
  ) {}

  /**
   * Uploads the weights and the bases of the masked kinds, a layer at a time.
   * @param options.kinds masked kinds; all by default
   */
  static async load(
    engine: Engine,
    model: Model,
    decomposition: Decomposition,
    {
      kinds,
      positions = 'last',
      onProgress,
      signal,
    }: { kinds?: readonly Kind[]; positions?: Positions } & LongCall = {},
  ): Promise<MaskedModel> {
    // Two passes less over the stream in every normalisation.
    const centred = centres(model.architecture, model.form);
    const architecture: Architecture = centred ? { ...model.architecture, norm: 'rms' } : model.architecture;
    const { qkSplit } = model;
    const layout = new MaskLayout(architecture, kinds, qkSplit);
    const { rotary } = architecture;
    if (rotary && qkSplit.by === 'offset' && layout.kinds.includes('qk'))
      throw new InputError(
        '--qk-split offset: the directions of one offset are not those of the others; they can be read, not masked',
      );
    const byPlane = rotary !== undefined && qkSplit.by === 'plane';
    const bases: LayerBases[] = [];
    const sigma = new Float32Array(layout.size);
    for (let layer = 0; layer < architecture.nLayers; layer++) {
      throwIfAborted(signal);
      onProgress?.({ stage: 'load', done: layer, total: architecture.nLayers });
      const weights = await model.layer(layer);
      const directions = await decomposition.layer(layer);
      bases.push(uploadLayer(engine, architecture, layer, weights, directions, layout.kinds, byPlane));
      for (const component of layout.components) {
        if (component.layer !== layer) continue;
        const { start } = layout.of(component);
        if (byPlane && component.kind === 'qk')
          sigma.set(planeSizesOf(component, weights, architecture, qkSplit.offsets), start);
        else sigma.set(directions.get(component.name)!.s, start);
      }
      collectGarbage();
    }
    // Taken apart, so that the unembedding's host copy is not kept with the rest.
    const {
      unembed: { weight, bias, rows, cols },
      ...embedding
    } = await model.ends();
    const unembed = new FrozenLinear(engine, weight, rows, cols, bias);
    collectGarbage();
    onProgress?.({ stage: 'load', done: architecture.nLayers, total: architecture.nLayers });
    const planes = byPlane ? rotary.map(({ dims }) => planesOf(architecture.dHead, dims)) : null;
    const replays = engine.openReplays();
    return new MaskedModel(
      engine,
      architecture,
      layout,
      positions,
      embedding,
      bases,
      unembed,
      sigma,
      planes,
      replays,
    );
  }

  /** Runs a batch to the last token's state; from one masked run to the next it is valid. */
  forward(prompts: readonly Int32Array[], options: RunOptions = {}): Run {
    const coefficients: PerKind<tf.Tensor2D>[] = [];
    const start = this.start(prompts, { ...options, trace: false });
    const [state] = this.repeated('forward', start, options.masks !== undefined, [], () => {
      const stream = this.run(start, (input, result) => {
        coefficients.push(result.coefficients);
        tf.dispose([result.trace, input.masks] as tf.TensorContainer);
      });
      const final = this.finish(stream);
      tf.dispose([stream, final.rate] as tf.TensorContainer);
      return [final.y];
    });
    return { state: state as tf.Tensor2D, coefficients };
  }

  /**
   * Runs all positions but the last, without masks, where none reaches them.
   * @returns each layer's keys and values; null if masks reach them or there are none
   */
  past(prompts: readonly Int32Array[]): Past | null {
    return hasFixedPast(this) && longestOf(prompts) > 1 ? this.earlier(prompts) : null;
  }

  private *earlier(prompts: readonly Int32Array[]): Past {
    const earlier = prompts.map((ids) => ids.subarray(0, -1));
    const longest = longestOf(earlier);
    // Positions are counted from the last token's, which padding does not change: so prompts keep their keys.
    const columns = { count: longest, first: -longest };
    const { inputs, shared } = this.inputs(earlier, columns, { trace: false, positions: 'all' });
    let stream = this.embed(earlier, longest);
    for (const input of inputs) {
      // Of the last block only `own` is read; what it computes beyond is one position.
      const result = forwardBlock(stream, input);
      tf.dispose([stream, result.trace] as tf.TensorContainer);
      stream = result.stream;
      // Whoever has the last layer's does not come back.
      if (input === inputs.at(-1)) tf.dispose([stream, shared] as unknown as tf.TensorContainer);
      yield result.own;
    }
  }

  /**
   * The gradient of a loss by the masks.
   * @param head its inputs are not disposed here
   * @param past see {@link RunOptions}
   * @returns the gradient, [layout.size], and what the head's values are
   */
  async gradient(
    prompts: readonly Int32Array[],
    masks: Float32Array,
    baseline: Baseline,
    head: LossHead,
    past: Past | null = null,
  ): Promise<{ gradient: Float32Array; values: Float32Array }> {
    const start = this.start(prompts, { masks, baseline, past, trace: true });
    const results = this.repeated(`gradient of ${head.name}`, start, true, head.inputs, () =>
      this.pulledThrough(start, head),
    );
    // At once: on a GPU each download is a round trip.
    const [gradient, values] = (await Promise.all(results.map((result) => result.data()))) as Float32Array[];
    tf.dispose(results);
    return { gradient: this.planes ? this.folded(gradient!, this.planes) : gradient!, values: values! };
  }

  /** Logits of a final state, [batch, dModel] → [batch, nVocab]. */
  logits(state: tf.Tensor2D): tf.Tensor2D {
    const { logitCap: cap } = this.architecture;
    const logits = this.unembed.apply(state);
    if (cap === undefined) return logits;
    const capped = tf.tidy(() => tf.mul<tf.Tensor2D>(tf.tanh(tf.div(logits, cap)), cap));
    logits.dispose();
    return capped;
  }

  dispose(): void {
    this.replays.dispose();
    this.bases.forEach(disposeLayer);
    this.unembed.dispose();
  }

  /** The gradient by uncapped logits: tanh's slope at l/cap is 1 − (capped/cap)². */
  private uncap(dLogits: tf.Tensor2D, capped: tf.Tensor2D): tf.Tensor2D {
    const { logitCap: cap } = this.architecture;
    if (cap === undefined) return dLogits;
    return tf.tidy(() => tf.mul(dLogits, tf.sub(1, tf.square(tf.div(capped, cap)))));
  }

  /** Where a pass begins: over the last position alone where masks reach no other. */
  private start(prompts: readonly Int32Array[], options: RunOptions & { trace: boolean }): Start {
    const past = options.past ?? this.past(prompts);
    const columns = { count: past ? 1 : longestOf(prompts), first: 0 };
    return { ...this.inputs(prompts, columns, options), stream: this.embed(prompts, columns.count), past };
  }

  /**
   * Computes what follows from a start and disposes of it.
   * @param often whether the same is computed for other prompts or masks again
   * @param inputs further tensors that differ then
   */
  private repeated(
    name: string,
    { inputs, stream, shared, past }: Start,
    often: boolean,
    further: tf.Tensor[],
    compute: () => tf.Tensor[],
  ): tf.Tensor[] {
    const masks = inputs.map((input) => input.masks);
    const baselines = inputs.map((input) => input.baseline);
    const { getTensorsInContainer } = tf.tensor_util;
    const own = getTensorsInContainer([stream, masks, shared] as unknown as tf.TensorContainer);
    // A past is uploaded layer by layer, so that it is never there as a whole.
    const results =
      often && !past
        ? this.replays.run(
            name,
            [...own, ...getTensorsInContainer(baselines as tf.TensorContainer), ...further],
            compute,
          )
        : compute();
    tf.dispose(own);
    return results;
  }

  /** Runs the blocks one after another, and back: the gradient by all masks, and the head's values. */
  private pulledThrough(start: Start, head: LossHead): [tf.Tensor1D, tf.Tensor1D] {
    const inputs: BlockInput[] = [];
    const traces: BlockTrace[] = [];
    const stream = this.run(start, (input, { trace }) => {
      inputs.push(input);
      traces.push(trace);
    });
    const final = this.finish(stream);
    const ends = tidy(() => {
      const logits = this.logits(final.y);
      const { dLogits, values } = head.pull(logits);
      const dState = this.unembed.pull(this.uncap(dLogits, logits));
      const pulled = normalisePull(dState, final, this.architecture.norm);
      return { dStream: tf.reshape<tf.Rank.R3>(pulled, stream.shape), values: tf.stack(values) };
    });
    let { dStream } = ends;
    tf.dispose([stream, final] as tf.TensorContainer);
    const gradients: PerKind<tf.Tensor1D>[] = [];
    for (let layer = inputs.length - 1; layer >= 0; layer--) {
      const pulled = pullBlock(dStream, traces[layer]!, inputs[layer]!, layer > 0);
      gradients[layer] = pulled.masks;
      tf.dispose([dStream, traces[layer], inputs[layer]!.masks] as tf.TensorContainer);
      if (pulled.stream) dStream = pulled.stream;
    }
    const parts = gradients.flatMap((byKind) => this.layout.kinds.map((kind) => byKind[kind]!));
    const all = tf.concat(parts);
    tf.dispose(parts);
    return [all, ends.values as tf.Tensor1D];
  }

  /**
   * Runs the blocks one after another.
   * @param use takes each block's input, and of its result what the caller disposes of
   * @returns the last block's stream
   */
  private run(
    { inputs, stream, past }: Start,
    use: (input: BlockInput, result: Pick<BlockResult, 'trace' | 'coefficients'>) => void,
  ): tf.Tensor3D {
    const layers = past?.[Symbol.iterator]();
    for (const input of inputs) {
      const past: KeysValues | null = layers?.next().value ?? null;
      const result = forwardBlock(stream, { ...input, past });
      tf.dispose([stream, result.own, past] as unknown as tf.TensorContainer);
      stream = result.stream;
      use(input, result);
    }
    return stream;
  }

  private embed(prompts: readonly Int32Array[], count: number): tf.Tensor3D {
    const { dModel } = this.architecture;
    let embedded = this.embedded.get(prompts);
    if (embedded?.length !== prompts.length * count * dModel) {
      embedded = embedPrompts(prompts, this.embedding, dModel, count);
      this.embedded.set(prompts, embedded);
    }
    return toTensor(embedded, [prompts.length, count, dModel]) as tf.Tensor3D;
  }

  private finish(stream: tf.Tensor3D): Normalised {
    const { dModel, norm, normEpsilon } = this.architecture;
    return tidy(() => normalise(tf.reshape(stream, [-1, dModel]), norm, normEpsilon));
  }

  /** @param columns the stream's: how many from the last, and the first one's position for rotations */
  private inputs(
    prompts: readonly Int32Array[],
    { count, first }: { count: number; first: number },
    {
      masks,
      baseline,
      collect = false,
      trace,
      positions = this.positions,
    }: RunOptions & { trace: boolean; positions?: Positions },
  ) {
    const { architecture } = this;
    const attentionBias = causalBias(prompts, count);
    // Most models turn alike in all layers: one table for each way of turning.
    const tables = new Map<Rotary, RotaryTable>();
    for (const rotary of new Set(architecture.rotary)) tables.set(rotary, rotaryTable(rotary, count, first));
    const inputs = this.bases.map(
      (bases, layer): BlockInput => ({
        architecture,
        layer,
        bases,
        masks: masks ? this.layerMasks(masks, layer) : {},
        baseline: baseline?.[layer] ?? {},
        positions,
        trace,
        collect,
        past: null,
        attentionBias,
        rotary: architecture.rotary ? tables.get(architecture.rotary[layer]!)! : null,
      }),
    );
    return { inputs, shared: [attentionBias, ...tables.values()] };
  }

  private layerMasks(masks: Float32Array, layer: number): PerKind<tf.Tensor1D> {
    const byKind: PerKind<tf.Tensor1D> = {};
    for (const kind of this.layout.kinds) {
      const { start, length } = this.layout.block(layer, kind)!;
      const own = masks.slice(start, start + length);
      const byPlane = kind === 'qk' && this.planes;
      byKind[kind] = tf.tensor1d(byPlane ? spreadOverPlanes(own, byPlane[layer]!) : own);
    }
    return byKind;
  }

  /** The gradient by planes from that by their coordinates. */
  private folded(values: Float32Array, planes: [number, number][][]): Float32Array {
    const gradient = new Float32Array(this.layout.size);
    let from = 0;
    planes.forEach((pairs, layer) => {
      for (const kind of this.layout.kinds) {
        const { start, length } = this.layout.block(layer, kind)!;
        const width = kind === 'qk' ? 2 * length : length;
        const own = values.subarray(from, from + width);
        gradient.set(kind === 'qk' ? foldOverPlanes(own, pairs) : own, start);
        from += width;
      }
    });
    return gradient;
  }
}
