/**
 * What the unmasked model does on every prompt pair, computed once and kept: the teacher's last state, and
 * the coefficients that replace masked-out ones under the chosen rule (docs/maths.md, "Replacement rules").
 */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import { throwIfAborted } from '../errors.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Kind } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import type { Baseline, MaskedModel } from './masked-model.js';
import type { PerKind } from './masking.js';
import { batchesByLength, longestOf } from './padded-prompts.js';

/**
 * What a masked-out OV or MLP coefficient becomes: that of the corrupted prompt (`interchange`), the mean over
 * the data set's clean prompts (`mean`), nothing (`zero`), or that of another clean prompt (`resample`).
 */
export type Replacement = 'interchange' | 'mean' | 'zero' | 'resample';
export const REPLACEMENTS: readonly Replacement[] = ['interchange', 'mean', 'zero', 'resample'];

/** A layer and kind that has replaced coefficients. */
interface Slot {
  layer: number;
  kind: Kind;
  /** Directions. */
  width: number;
}

/** One prompt's coefficients, a row-major [positions, width] array a slot. */
type Coefficients = Float32Array[];

/** Positions (padding included) in one forward pass without gradients. */
export const FORWARD_TOKENS = 2048;

export class PreparedPairs {
  private constructor(
    readonly model: MaskedModel,
    readonly pairs: readonly TokenPair[],
    readonly replacement: Replacement,
    /** The teacher's final normalised stream at the last token, row-major [pairs, dModel]. */
    private readonly states: Float32Array,
    private readonly slots: Slot[],
    /** One a pair, one for all (`mean`), or none (`zero`). */
    private readonly baselines: Coefficients[] | Coefficients | null,
  ) {}

  /** @param pairs as `checkPairs` wants them */
  static async prepare(
    model: MaskedModel,
    pairs: readonly TokenPair[],
    { replacement, seed, onProgress, signal }: { replacement: Replacement; seed: number } & LongCall,
  ): Promise<PreparedPairs> {
    const slots = slotsOf(model);
    const readsClean = slots.length > 0 && (replacement === 'mean' || replacement === 'resample');
    const readsCorrupted = slots.length > 0 && replacement === 'interchange';
    const total = pairs.length * (readsCorrupted ? 2 : 1);
    const report = (done: number) => onProgress?.({ stage: 'prepare', done, total });

    const d = model.architecture.dModel;
    const states = new Float32Array(pairs.length * d);
    const clean: Coefficients[] = [];
    let done = 0;
    const visit = async (
      prompts: Int32Array[],
      collect: boolean,
      use: (index: number, state: Float32Array, coefficients: Coefficients) => void,
    ) => {
      const lengths = prompts.map((ids) => ids.length);
      for (const batch of batchesByLength(lengths, FORWARD_TOKENS)) {
        throwIfAborted(signal);
        const inBatch = batch.map((index) => prompts[index]!);
        const run = model.forward(inBatch, { collect });
        const state = (await run.state.data()) as Float32Array;
        const coefficients = await download(run.coefficients, slots);
        tf.dispose(run as unknown as tf.TensorContainer);
        const longest = longestOf(inBatch);
        batch.forEach((index, row) => {
          const own = coefficients.map((values, at) => {
            const { layer, width } = slots[at]!;
            const rows = values.length / width / batch.length;
            const kept = model.maskedPositions(layer, lengths[index]!);
            const end = (row + 1) * rows * width;
            return values.slice(end - Math.min(kept, longest) * width, end);
          });
          use(index, state.subarray(row * d, (row + 1) * d), own);
        });
        done += batch.length;
        report(done);
      }
    };

    report(0);
    await visit(
      pairs.map((pair) => pair.clean),
      readsClean,
      (index, state, coefficients) => {
        states.set(state, index * d);
        clean[index] = coefficients;
      },
    );
    let baselines: Coefficients[] | Coefficients | null = null;
    if (readsCorrupted) {
      const corrupted: Coefficients[] = [];
      await visit(
        pairs.map((pair) => pair.corrupted!),
        true,
        (index, _state, coefficients) => {
          corrupted[index] = coefficients;
        },
      );
      baselines = corrupted;
    } else if (readsClean && replacement === 'mean') baselines = meanOf(clean, slots);
    else if (readsClean) baselines = derangement(pairs.length, seed).map((other) => clean[other]!);
    return new PreparedPairs(model, pairs, replacement, states, slots, baselines);
  }

  get length(): number {
    return this.pairs.length;
  }

  prompts(indices: readonly number[]): Int32Array[] {
    return indices.map((index) => this.pairs[index]!.clean);
  }

  /** Logits of the unmasked model, [indices, nVocab]. */
  teacher(indices: readonly number[]): tf.Tensor2D {
    const d = this.model.architecture.dModel;
    const rows = new Float32Array(indices.length * d);
    indices.forEach((index, row) => rows.set(this.states.subarray(index * d, (index + 1) * d), row * d));
    const state = toTensor(rows, [indices.length, d]) as tf.Tensor2D;
    const logits = this.model.logits(state);
    state.dispose();
    return logits;
  }

  /** The replacement coefficients of some pairs, uploaded; dispose after use. */
  baseline(indices: readonly number[]): Baseline {
    const layers: Baseline = Array.from(
      { length: this.model.architecture.nLayers },
      (): PerKind<tf.Tensor2D> => ({}),
    );
    const { baselines } = this;
    if (!baselines) return layers;
    const longest = longestOf(this.prompts(indices));
    this.slots.forEach(({ layer, kind, width }, at) => {
      const first = baselines[0];
      if (first instanceof Float32Array) {
        layers[layer]![kind] = toTensor((baselines as Coefficients)[at]!, [1, width]) as tf.Tensor2D;
        return;
      }
      const positions = this.model.maskedPositions(layer, longest);
      const values = new Float32Array(indices.length * positions * width);
      indices.forEach((index, row) => {
        const own = (baselines as Coefficients[])[index]![at]!;
        const wanted = this.model.maskedPositions(layer, this.pairs[index]!.clean.length);
        values.set(alignEnd(own, wanted, width), ((row + 1) * positions - wanted) * width);
      });
      layers[layer]![kind] = toTensor(values, [indices.length * positions, width]) as tf.Tensor2D;
    });
    return layers;
  }
}

/** Layers and kinds whose coefficients are replaced: all masked kinds but QK, which is only ever scaled. */
function slotsOf({ architecture, layout }: MaskedModel): Slot[] {
  const slots: Slot[] = [];
  for (let layer = 0; layer < architecture.nLayers; layer++)
    for (const kind of layout.kinds)
      if (kind !== 'qk') slots.push({ layer, kind, width: layout.block(layer, kind)!.length });
  return slots;
}

async function download(coefficients: PerKind<tf.Tensor2D>[], slots: Slot[]): Promise<Float32Array[]> {
  const values: Float32Array[] = [];
  for (const { layer, kind } of slots) {
    const tensor = coefficients[layer]![kind];
    if (tensor) values.push((await tensor.data()) as Float32Array);
  }
  return values;
}

/** The last `wanted` rows; where there are fewer, the first row stands in for the missing ones. */
function alignEnd(values: Float32Array, wanted: number, width: number): Float32Array {
  const have = values.length / width;
  if (have >= wanted) return values.subarray((have - wanted) * width);
  const out = new Float32Array(wanted * width);
  for (let row = 0; row < wanted - have; row++) out.set(values.subarray(0, width), row * width);
  out.set(values, (wanted - have) * width);
  return out;
}

/** Mean over prompts and positions, a [width] array a slot. */
function meanOf(all: Coefficients[], slots: Slot[]): Coefficients {
  return slots.map(({ width }, at) => {
    const sums = new Float64Array(width);
    let rows = 0;
    for (const coefficients of all) {
      const values = coefficients[at]!;
      for (let i = 0; i < values.length; i++) sums[i % width]! += values[i]!;
      rows += values.length / width;
    }
    return Float32Array.from(sums, (sum) => sum / rows);
  });
}

/** A random cyclic order: every prompt is given another one (itself only if it is alone). */
function derangement(n: number, seed: number): number[] {
  const order = new Random(seed).fork('resample').shuffle(Array.from({ length: n }, (_, index) => index));
  const next = new Array<number>(n);
  order.forEach((index, at) => {
    next[index] = order[(at + 1) % n]!;
  });
  return next;
}
