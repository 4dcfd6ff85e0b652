/** A decomposed model on an engine: runs it with or without masks, and pulls gradients back to the masks. */
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import type { Decomposition, Directions } from '../decompose/directions.js';
import { planeSizesOf } from '../decompose/factors.js';
import type { Engine } from '../engine/engine.js';
import type { ReplayKey, Replays } from '../engine/replay.js';
import { InputError } from '../errors.js';
import { heed, heeding, inOneGo, type Steps } from '../heed.js';
import type { Architecture } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import { planesOf } from '../models/qk-split.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { type LayerBases, uploadBases, withKind } from './bases.js';
import { MaskLayout } from './layout.js';
import { maskHook, onLastPosition } from './mask-hooks.js';
import type { Positions } from './masking-rules.js';
import { type Narrowed, narrow, someOf, type Written } from './narrow.js';
import { longestOf } from './padded-prompts.js';
import { disposeStart, type PassOptions, type Start } from './pass-start.js';
import { hasFixedPast, type KeysValues, type Past } from './past.js';
import { type BlockHooks, coefficientsOf, type Hook, isAtTheEnd, mergedHooks } from './places.js';
import { foldOverPlanes, spreadOverPlanes } from './planes.js';
import { type LossHead, Transformer, type TransformerOptions } from './transformer.js';

/** Per kind of one layer, heads side by side. */
export type PerKind<T> = Partial<Record<Kind, T>>;

/**
 * Per layer and kind, what replaces masked-out coefficients, [batch·masked positions, directions] or [1, directions];
 * a kind without one is replaced by zero.
 */
export type Baseline = PerKind<tf.Tensor2D>[];

/**
 * `positions` says only where hooks find OV and MLP coefficients; masks act where the model was loaded for, whatever
 * it says.
 */
export interface MaskedPassOptions extends PassOptions {
  /** Flat mask vector in the layout's order; without it the model runs unmasked, on its plain weights. */
  masks?: Float32Array;
  /** Zero everywhere if absent. Not disposed here. */
  baseline?: Baseline;
  /** Of these prompts, where passes with other masks follow. Not disposed here. */
  written?: Written;
  /** What {@link MaskedModel.past} gives for these prompts, kept from before. Disposed here. */
  past?: Past | null;
}

/** A pass with its masks on the engine. */
interface MaskedStart extends Start {
  masks: PerKind<tf.Tensor1D>[];
  baseline: Baseline;
  narrowed: Narrowed[];
  /** Of each layer and kind, once the pass was pulled back. */
  gradients: PerKind<tf.Tensor1D>[];
}

export class MaskedModel {
  private constructor(
    private readonly transformer: Transformer,
    readonly layout: MaskLayout,
    /** On which positions OV and MLP masks act. */
    readonly positions: Positions,
    /** Singular value of each masked direction, in the layout's order. */
    readonly sigma: Float32Array,
    /** Of each layer, where QK is masked by rotary plane. */
    readonly planes: readonly [number, number][][] | null,
    private readonly replays: Replays | undefined,
  ) {}

  get architecture(): Architecture {
    return this.transformer.architecture;
  }

  /**
   * Uploads the weights and the bases of the masked kinds, a layer at a time.
   * @param decomposition null where no kind is masked
   * @param options.kinds masked kinds; all by default
   */
  static async load(
    engine: Engine,
    model: Model,
    decomposition: Decomposition | null,
    {
      kinds = decomposition ? undefined : [],
      positions = 'last',
      ...call
    }: { kinds?: readonly Kind[]; positions?: Positions } & Pick<TransformerOptions, 'least'> & LongCall = {},
  ): Promise<MaskedModel> {
    const { qkSplit, architecture } = model;
    const layout = new MaskLayout(architecture, kinds, qkSplit, decomposition?.ranks);
    const { rotary } = architecture;
    if (rotary && qkSplit.by === 'offset' && layout.kinds.includes('qk'))
      throw new InputError(
        '--qk-split offset: the directions of one offset are not those of the others; they can be read, not masked',
      );
    const byPlane = rotary !== undefined && qkSplit.by === 'plane';
    const sigma = new Float32Array(layout.size);
    const transformer = await Transformer.load(engine, model, {
      ...call,
      basesOf: async (layer, weights, plain) => {
        const directions = (await decomposition?.layer(layer)) ?? new Map<string, Directions>();
        for (const component of layout.components) {
          if (component.layer !== layer) continue;
          const { start } = layout.of(component);
          if (byPlane && component.kind === 'qk')
            sigma.set(planeSizesOf(component, weights, architecture, qkSplit.offsets), start);
          else sigma.set(directions.get(component.name)!.s, start);
        }
        return uploadBases(engine, architecture, layer, weights, plain, directions, layout.kinds, byPlane);
      },
    });
    const planes = byPlane ? rotary.map(({ dims }) => planesOf(architecture.dHead, dims)) : null;
    return new MaskedModel(transformer, layout, positions, sigma, planes, engine.openReplays?.());
  }

  /** A layer's directions on the engine. */
  basesOf(layer: number): LayerBases {
    return this.transformer.basesOf(layer);
  }

  /**
   * Runs a batch to its final states.
   * @returns [batch, dModel], of the last token; with `ends` at `all`, [batch·longest, dModel]. The
   * next masked run writes over it
   */
  forward(prompts: readonly Int32Array[], options: MaskedPassOptions = {}): tf.Tensor2D {
    return inOneGo(this.steps(prompts, options));
  }

  /**
   * The same, with an ear for a signal between blocks.
   * @throws InterruptedError if it fires; nothing of the pass is left on the engine but what hooks kept
   */
  run(
    prompts: readonly Int32Array[],
    options: MaskedPassOptions,
    signal?: AbortSignal,
  ): Promise<tf.Tensor2D> {
    return heeding(this.steps(prompts, options), signal);
  }

  private *steps(prompts: readonly Int32Array[], options: MaskedPassOptions): Steps<tf.Tensor2D> {
    const start = this.start(prompts, options, false);
    // The engine may play back what it recorded: the same operations run for other prompts and masks.
    const often = options.masks !== undefined && !options.hooks;
    const key = often ? { pass: 'forward', ends: options.ends ?? 'last' } : null;
    const { transformer } = this;
    const [state] = yield* this.repeated(key, start, [], function* () {
      return [yield* transformer.run(start)];
    });
    return state as tf.Tensor2D;
  }

  /**
   * Runs all positions but the last, without masks, where none reaches them.
   * @returns each layer's keys and values; null if masks reach them or there are none
   */
  past(prompts: readonly Int32Array[]): Past | null {
    return hasFixedPast(this) && longestOf(prompts) > 1
      ? this.transformer.earlier(prompts, { ahead: {} })
      : null;
  }

  /**
   * Mask vectors by what they do before the last position: those of a group differ in masks alone that act on it.
   * @returns their places
   */
  groupsOfEqualPast(all: readonly Float32Array[]): number[][] {
    const { layout } = this;
    // A pass with a past is not recorded, and one without is played back faster than it would save.
    const acts =
      this.positions === 'all' || this.replays ? layout.kinds : layout.kinds.filter((kind) => kind === 'qk');
    const groups = new Map<string, number[]>();
    all.forEach((masks, at) => {
      const hash = createHash('sha256');
      for (let layer = 0; layer < this.architecture.nLayers; layer++)
        for (const kind of acts) {
          const { start, length } = layout.block(layer, kind)!;
          hash.update(new Uint8Array(masks.slice(start, start + length).buffer));
        }
      const key = hash.digest('hex');
      groups.set(key, [...(groups.get(key) ?? []), at]);
    });
    return [...groups.values()];
  }

  /**
   * What {@link past} is under masks of QK: keys and values before the last position, where masks of other kinds do not
   * act. With it a pass with these masks of QK runs the last position alone.
   * @returns null if others act there too, or there is none; dispose of it
   */
  async maskedPast(
    prompts: readonly Int32Array[],
    masks: Float32Array,
    signal?: AbortSignal,
  ): Promise<KeysValues[] | null> {
    if (this.positions === 'all' || longestOf(prompts) === 1) return null;
    const kinds = this.layout.kinds.filter((kind) => kind === 'qk');
    const { blocks, ahead, bases, narrowed, masks: uploaded } = this.onMasks(masks, kinds, {}, false);
    const layers: KeysValues[] = [];
    try {
      for (const layer of this.transformer.earlier(prompts, { hooks: { blocks }, ahead, bases })) {
        layers.push(layer);
        await heed(signal);
      }
      return layers;
    } catch (error) {
      tf.dispose(layers as unknown as tf.TensorContainer);
      throw error;
    } finally {
      tf.dispose(uploaded as unknown as tf.TensorContainer);
      for (const cut of narrowed) cut.dispose();
    }
  }

  /** Whether a pass runs the last positions alone, on what {@link past} gives: neither masks nor hooks reach others. */
  runsLastAlone({ hooks, positions, ends }: MaskedPassOptions): boolean {
    const all = this.positions === 'all' || (hooks && positions === 'all') || ends === 'all';
    return !all && isAtTheEnd(hooks);
  }

  /**
   * The gradient of a loss by the masks, whatever they are: the loss is a polynomial of masks in every score and
   * coefficient, so values need not lie in [0, 1].
   * @param head its inputs are not disposed here
   * @param options hooks take their gradients as well
   * @returns the gradient, [layout.size], and what the head's values are
   * @throws InterruptedError if the signal fires
   */
  async gradient(
    prompts: readonly Int32Array[],
    masks: Float32Array,
    baseline: Baseline,
    head: LossHead,
    { signal, ...options }: Omit<MaskedPassOptions, 'masks' | 'baseline'> & Pick<LongCall, 'signal'> = {},
  ): Promise<{ gradient: Float32Array; values: Float32Array }> {
    const start = this.start(prompts, { ...options, masks, baseline }, true);
    const key = options.hooks ? null : { pass: 'gradient', ends: options.ends ?? 'last', ...head.key };
    const { transformer, layout } = this;
    const steps = this.repeated(key, start, head.inputs, function* () {
      const values = yield* transformer.pulled(start, head);
      const parts = start.gradients.flatMap((byKind) => layout.kinds.map((kind) => byKind[kind]!));
      const all = tf.concat(parts);
      tf.dispose(parts);
      return [all, values];
    });
    const results = await heeding(steps, signal);
    // At once: on a GPU each download is a round trip.
    const [gradient, values] = (await Promise.all(results.map((result) => result.data()))) as Float32Array[];
    tf.dispose(results);
    return { gradient: this.planes ? this.folded(gradient!, this.planes) : gradient!, values: values! };
  }

  /**
   * The unmasked model, pulled back to hooks alone.
   * @param head its inputs are not disposed here
   * @returns what the head's values are
   */
  async pullBack(
    prompts: readonly Int32Array[],
    head: LossHead,
    { signal, ...options }: Omit<MaskedPassOptions, 'masks' | 'baseline'> & Pick<LongCall, 'signal'>,
  ): Promise<Float32Array> {
    const start = this.start(prompts, options, true);
    const values = await heeding(this.transformer.pulled(start, head), signal).finally(() =>
      disposeStart(start),
    );
    const data = (await values.data()) as Float32Array;
    values.dispose();
    return data;
  }

  /** Logits of final states, [n, dModel] → [n, nVocab]. */
  logits(states: tf.Tensor2D): tf.Tensor2D {
    return this.transformer.logits(states);
  }

  dispose(): void {
    this.replays?.dispose();
    this.transformer.dispose();
  }

  /** @param pulled whether masks will have gradients */
  private start(prompts: readonly Int32Array[], options: MaskedPassOptions, pulled: boolean): MaskedStart {
    const { masks, baseline = [], hooks, positions: asked, ends, past } = options;
    const positions = hooks && asked === 'all' ? 'all' : this.positions;
    const onMasks = this.onMasks(masks, this.layout.kinds, options, pulled, (kind, hook) => {
      const lastOnly = kind !== 'qk' && this.positions === 'last' && positions === 'all';
      return lastOnly ? onLastPosition(hook, prompts.length) : hook;
    });
    const { blocks, ahead, bases, ...own } = onMasks;
    const alone = this.runsLastAlone(options);
    const start = this.transformer.start(prompts, {
      hooks: mergedHooks({ blocks }, hooks),
      bases,
      positions,
      ends,
      past: past ?? (alone ? this.past(prompts) : null),
      // Of a common beginning nothing but QK is masked, and nothing is read or changed.
      ahead: alone ? ahead : null,
    });
    return { ...start, ...own, baseline };
  }

  /** Masks of some kinds on the engine, as hooks. */
  private onMasks(
    masks: Float32Array | undefined,
    kinds: readonly Kind[],
    { baseline, written, hooks }: Pick<MaskedPassOptions, 'baseline' | 'written' | 'hooks'>,
    pulled: boolean,
    placed: (kind: Kind, hook: Hook) => Hook = (_, hook) => hook,
  ) {
    // Hooks look for all coefficients, gradients of masks need them, and recordings the same shapes each time.
    const mayNarrow = !hooks && !pulled && !this.replays;
    const uploaded: PerKind<tf.Tensor1D>[] = [];
    const gradients: PerKind<tf.Tensor1D>[] = [];
    const narrowed: Narrowed[] = [];
    const bases: LayerBases[] = [];
    const ahead: BlockHooks[] = [];
    const blocks = (masks ? this.architecture.attentionScale : []).map((_, layer): BlockHooks => {
      const [onEngine, recorded]: PerKind<tf.Tensor1D>[] = [{}, {}];
      let weights = this.transformer.basesOf(layer);
      const entries = kinds.map((kind) => {
        const own = this.layerMasks(masks!, layer, kind);
        const replacement = baseline?.[layer]?.[kind];
        const heads = kind === 'qk' || kind === 'ov' ? this.architecture.nHeads : 1;
        const place = coefficientsOf(kind);
        const common = (hook: Hook) => {
          if (kind === 'qk') ahead[layer] = { [place]: hook };
        };
        const some = mayNarrow ? someOf(own, heads) : null;
        const cut = some && narrow(kind, weights, some, replacement, written);
        if (cut) {
          narrowed.push(cut);
          weights = withKind(weights, cut.bases);
          common(cut.hook);
          return [place, placed(kind, cut.hook)];
        }
        const mask = tf.tensor1d(own);
        onEngine![kind] = mask;
        const record = (gradient: tf.Tensor1D) => {
          const before = recorded![kind];
          recorded![kind] = before ? tf.keep(tf.add<tf.Tensor1D>(before, gradient)) : gradient;
          if (before) tf.dispose([before, gradient]);
        };
        const hook = () => maskHook(mask, replacement, pulled ? record : null);
        common(hook());
        return [place, placed(kind, hook())];
      });
      uploaded.push(onEngine!);
      gradients.push(recorded!);
      bases.push(weights);
      return Object.fromEntries(entries);
    });
    return { blocks, ahead: { blocks: ahead }, bases, masks: uploaded, narrowed, gradients };
  }

  /**
   * Computes what follows from a start and disposes of it.
   * @param key of what is computed, where that comes again with other values of the tensors of `start` and `further`
   */
  private *repeated(
    key: ReplayKey | null,
    start: MaskedStart,
    further: tf.Tensor[],
    compute: () => Steps<tf.Tensor[]>,
  ): Steps<tf.Tensor[]> {
    const { stream, masks, shared, baseline, past, gradients } = start;
    const { getTensorsInContainer } = tf.tensor_util;
    const own = getTensorsInContainer([stream, masks, shared] as unknown as tf.TensorContainer);
    const given = getTensorsInContainer(baseline as tf.TensorContainer);
    try {
      // A past is uploaded layer by layer, so that it is never there as a whole.
      if (this.replays && key && !past)
        return this.replays.run(key, [...own, ...given, ...further], () => inOneGo(compute()));
      return yield* compute();
    } finally {
      // Of gradients some are left where a pass was broken off.
      tf.dispose([own, gradients] as unknown as tf.TensorContainer);
      for (const cut of start.narrowed) cut.dispose();
    }
  }

  /** Masks of one kind in a layer, as its coefficients lie. */
  private layerMasks(masks: Float32Array, layer: number, kind: Kind): Float32Array {
    const { start, length } = this.layout.block(layer, kind)!;
    const own = masks.slice(start, start + length);
    const byPlane = kind === 'qk' && this.planes;
    return byPlane ? spreadOverPlanes(own, byPlane[layer]!) : own;
  }

  /** The gradient by planes from that by their coordinates. */
  private folded(values: Float32Array, planes: readonly [number, number][][]): Float32Array {
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
