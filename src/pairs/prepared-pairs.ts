/**
 * What the unmasked model does on every prompt pair, computed once and kept: the teacher's last state, and
 * the coefficients that replace masked-out ones under the chosen rule (docs/maths.md, "Replacement rules").
 */

import type * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { Baseline, MaskedModel, PerKind } from '../forward/masked-model.js';
import { longestOf } from '../forward/padded-prompts.js';
import { batchesByLength, FULL_PASSES } from '../forward/passes.js';
import type { Past } from '../forward/past.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import { BatchMemo } from './batch-memo.js';
import { type CoefficientBlock, maskedPositions, type Slot, slotsOf, slotView } from './coefficient-slots.js';
import { fillPairs } from './fill-pairs.js';
import { keptPast } from './kept-pasts.js';
import {
  emptyPairs,
  emptyPart,
  type FilledPairs,
  filledWhole,
  type PairOptions,
  type ReadyPairs,
  readyPairs,
  readyPart,
} from './pair-data.js';

export class PreparedPairs {
  readonly #slots: Slot[];
  readonly #memo = new BatchMemo();

  /** @param data filled on this model or on its like in another thread */
  constructor(
    readonly model: MaskedModel,
    readonly data: ReadyPairs,
    /** Positions (padding included) in one forward pass. */
    readonly forwardTokens = FULL_PASSES.forward,
  ) {
    this.#slots = slotsOf(model);
  }

  /**
   * @param pairs as `checkPairs` wants them
   * @param options.keepPast on by default: 8·layers·dModel bytes a token (less where heads share keys), kept only
   * where masks do not reach it
   */
  static async prepare(
    model: MaskedModel,
    pairs: readonly TokenPair[],
    {
      replacement,
      seed,
      keepPast = true,
      forwardTokens = FULL_PASSES.forward,
      onProgress,
      signal,
    }: Omit<PairOptions, 'keepPast'> & { keepPast?: boolean; forwardTokens?: number } & LongCall,
  ): Promise<PreparedPairs> {
    const room = emptyPairs(model, pairs, { replacement, seed, keepPast });
    const parts: FilledPairs[] = [];
    const lengths = pairs.map(({ clean }) => clean.length);
    let done = 0;
    for (const batch of batchesByLength(lengths, forwardTokens)) {
      await heed(signal);
      onProgress?.({ stage: 'prepare', done, total: pairs.length });
      parts.push(await fillPairs(model, emptyPart(room, batch), forwardTokens, signal));
      done += batch.length;
    }
    onProgress?.({ stage: 'prepare', done, total: pairs.length });
    return new PreparedPairs(model, readyPairs(model, filledWhole(room, parts)), forwardTokens);
  }

  get pairs(): readonly TokenPair[] {
    return this.data.pairs;
  }

  get length(): number {
    return this.pairs.length;
  }

  /** Some of them, in the same arrays; what replaces coefficients stays as it is among all. */
  some(indices: readonly number[]): PreparedPairs {
    return new PreparedPairs(this.model, readyPart(this.data, indices), this.forwardTokens);
  }

  prompts(indices: readonly number[]): Int32Array[] {
    return this.#memo.get(indices, 'prompts', () => indices.map((index) => this.pairs[index]!.clean));
  }

  /** Final states of the unmasked model, uploaded, [indices, dModel]. */
  teacherStates(indices: readonly number[]): tf.Tensor2D {
    const d = this.model.architecture.dModel;
    const { states, rows } = this.data;
    const chosen = this.#memo.get(indices, 'states', () => {
      const chosen = new Float32Array(indices.length * d);
      indices.forEach((index, at) => {
        const row = rows[index]!;
        chosen.set(states.subarray(row * d, (row + 1) * d), at * d);
      });
      return chosen;
    });
    return toTensor(chosen, [indices.length, d]) as tf.Tensor2D;
  }

  /** Logits of the unmasked model, [indices, nVocab]. */
  teacher(indices: readonly number[]): tf.Tensor2D {
    const states = this.teacherStates(indices);
    const logits = this.model.logits(states);
    states.dispose();
    return logits;
  }

  /** What masks do not change of some pairs' clean prompts, to be uploaded by the pass that takes it; null if not kept. */
  past(indices: readonly number[]): Past | null {
    const { pasts } = this.data;
    if (!pasts || longestOf(this.prompts(indices)) === 1) return null;
    return keptPast(pasts, this.model.architecture, indices);
  }

  /** The replacement coefficients of some pairs, uploaded; dispose after use. */
  baseline(indices: readonly number[]): Baseline {
    const { model, data } = this;
    const layers: Baseline = Array.from(
      { length: model.architecture.nLayers },
      (): PerKind<tf.Tensor2D> => ({}),
    );
    if (data.replaced.length === 0) return layers;
    const longest = longestOf(this.prompts(indices));
    this.#slots.forEach(({ layer, kind, width }, at) => {
      const values = this.#memo.get(indices, `slot ${at}`, () => this.#replaced(indices, longest, at));
      layers[layer]![kind] = toTensor(values, [values.length / width, width]) as tf.Tensor2D;
    });
    return layers;
  }

  /** One slot's replacement coefficients of some pairs, padded on the left; the one row of a mean. */
  #replaced(indices: readonly number[], longest: number, at: number): Float32Array {
    const { model, data } = this;
    const { layer, width } = this.#slots[at]!;
    const view = (block: CoefficientBlock) => slotView(model, data.coefficients, this.#slots, block, at);
    if (data.replacement === 'mean') return view(data.replaced[0]!);
    const positions = maskedPositions(model, layer, longest);
    const values = new Float32Array(indices.length * positions * width);
    indices.forEach((index, row) => {
      const wanted = maskedPositions(model, layer, data.pairs[index]!.clean.length);
      const found = alignEnd(view(data.replaced[index]!), wanted, width);
      values.set(found, ((row + 1) * positions - wanted) * width);
    });
    return values;
  }
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
