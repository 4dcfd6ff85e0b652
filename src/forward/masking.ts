/** Where masks act: coefficients are mixed with what replaces them, and gradients collected on the way back. */
import * as tf from '@tensorflow/tfjs-core';
import type { RotaryTable } from '../engine/ops/rotary.js';
import type { Architecture } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import type { LayerBases } from './bases.js';
import type { KeysValues } from './past.js';

/** Per kind of one layer, heads side by side: masks [directions], baselines and coefficients [rows, directions]. */
export type PerKind<T> = Partial<Record<Kind, T>>;

/** What a block needs besides the stream. */
export interface BlockInput {
  architecture: Architecture;
  layer: number;
  bases: LayerBases;
  /** Masks by kind; a kind without one uses its plain weights. */
  masks: PerKind<tf.Tensor1D>;
  /**
   * What replaces a masked-out coefficient, [batch·masked positions, directions] or [1, directions];
   * a kind without one is replaced by zero.
   */
  baseline: PerKind<tf.Tensor2D>;
  /** Of the positions before those of the stream; null where it begins at the first. Not disposed by the block. */
  past: KeysValues | null;
  /** [1, batch, positions of the stream, past ones and those]: added to the attention scores. */
  attentionBias: tf.Tensor4D;
  rotary: RotaryTable | null;
  /** Which positions OV and MLP masks act on. */
  positions: 'last' | 'all';
  /** Whether the pass will be pulled back. */
  trace: boolean;
  /** Also return the unmasked coefficients at the positions where masks would act. */
  collect: boolean;
}

/** Applies masks to OV and MLP coefficients: c = baseline + m·(y − baseline), and remembers what the gradient needs. */
export class Mixer {
  /** Per kind y − baseline. */
  readonly differences: PerKind<tf.Tensor2D> = {};
  /** Per kind y, if collected. */
  readonly coefficients: PerKind<tf.Tensor2D> = {};

  constructor(readonly input: BlockInput) {}

  /** Whether a kind with a basis goes through it in this pass: to be masked, or to be read. */
  reads(kind: Kind): boolean {
    return this.input.collect || this.input.masks[kind] !== undefined;
  }

  /**
   * @param y [rows, directions] own coefficients
   * @returns the mixed ones; null if the kind is not masked
   */
  mix(kind: Kind, y: tf.Tensor2D): tf.Tensor2D | null {
    if (this.input.collect) this.coefficients[kind] = y;
    const mask = this.input.masks[kind];
    if (!mask) return null;
    const baseline = this.input.baseline[kind];
    const difference = baseline ? tf.sub<tf.Tensor2D>(y, baseline) : y;
    this.differences[kind] = difference;
    const kept = tf.mul<tf.Tensor2D>(difference, mask);
    return baseline ? tf.add<tf.Tensor2D>(baseline, kept) : kept;
  }
}

/** The pullback of {@link Mixer}. */
export class Puller {
  readonly gradients: PerKind<tf.Tensor1D> = {};

  constructor(
    readonly input: BlockInput,
    private readonly differences: PerKind<tf.Tensor2D>,
  ) {}

  /** Whether the kind was masked. */
  uses(kind: Kind): boolean {
    return this.input.masks[kind] !== undefined;
  }

  /** Records the mask's gradient and returns that by the own coefficients. */
  pull(kind: Kind, dc: tf.Tensor2D, difference = this.differences[kind]!): tf.Tensor2D {
    this.gradients[kind] = sumRows(tf.mul(difference, dc));
    return tf.mul(dc, this.input.masks[kind]!);
  }
}

/** Sum over rows, [n, k] → [k], as a product with ones: reductions along columns are slow on wasm. */
function sumRows(x: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(tf.matMul(tf.ones([1, x.shape[0]]), x), [x.shape[1]]);
}
