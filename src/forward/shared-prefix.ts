/**
 * What all prompts of a batch begin with: computed once, as a prompt of its own that runs a block ahead, and read by each
 * prompt as a past (docs/maths.md, "A common beginning").
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from '../engine/engine.js';
import { isOnProcessor } from '../engine/measure.js';
import type { Heads } from '../engine/ops/attention.js';
import { type RotaryTable, rotate } from '../engine/ops/rotary.js';
import { tidy } from '../engine/ops/tidy.js';
import { toTensor } from '../engine/tensor.js';
import type { Architecture } from '../models/architecture.js';
import { type BlockTrace, forwardBlock, pullBlock } from './block.js';
import type { BlockInput } from './block-input.js';
import { modelCost } from './model-cost.js';
import { longestOf } from './padded-prompts.js';
import type { KeysValues } from './past.js';

/**
 * Multiplications with a layer's matrices that must be saved: what is added, more and smaller operations, takes as long as
 * about so many (`bench/shared-prefix.ts` on the embedded model).
 */
const LEAST_SAVED = 4e7;

/** Share of the longest prompt that must be in common: keys and values of all of it are copied. */
const LEAST_SHARE = 1 / 8;

/**
 * How many positions must be saved in a batch so that computing its common beginning apart is worth it. No number is
 * enough on a GPU, where it was not measured.
 */
export function leastShared(engine: Pick<Engine, 'name'>, architecture: Architecture): number {
  return isOnProcessor(engine) ? LEAST_SAVED / modelCost(architecture).layer : Number.POSITIVE_INFINITY;
}

/**
 * Tokens at the beginning of all prompts of a batch that are worth computing apart; each prompt keeps its last one.
 * @param least as {@link leastShared} gives it
 */
export function sharedTokens(prompts: readonly Int32Array[], least: number): number {
  const [first, ...others] = prompts;
  if (!first || others.length === 0) return 0;
  let count = first.length - 1;
  for (const ids of others) {
    count = Math.min(count, ids.length - 1);
    for (let at = 0; at < count; at++) if (ids[at] !== first[at]) count = at;
  }
  return count >= LEAST_SHARE * longestOf(prompts) && count * others.length >= least ? count : 0;
}

/**
 * Positions of some prompts that are not computed, since others of their batch begin alike.
 * @param atOnce positions of a batch
 */
export function savedPositions(prompts: readonly Int32Array[], atOnce: number, least: number): number {
  const batch = Math.max(1, Math.floor(atOnce / longestOf(prompts)));
  const count = sharedTokens(prompts, 0);
  const saved = (size: number) => (count * (size - 1) >= least ? count * (size - 1) : 0);
  return Math.floor(prompts.length / batch) * saved(batch) + saved(prompts.length % batch);
}

/** How the beginning's keys and values are laid beside each prompt's own. */
export interface Spread {
  /** Prompts. */
  batch: number;
  /** Of each layer, what keys are turned by, prompt by prompt: null where all prompts are of one length. */
  turns: readonly (RotaryTable | null)[];
}

/** Its blocks run as keys and values are asked for, and are pulled back after those of the prompts. */
export class PrefixPass implements Iterable<KeysValues<Heads>> {
  readonly #traces: BlockTrace[] = [];
  #dStream: tf.Tensor3D | null = null;

  /** @param stream [1, tokens, dModel]; not disposed here */
  constructor(
    readonly inputs: readonly BlockInput[],
    readonly stream: tf.Tensor3D,
    private readonly spread: Spread,
  ) {}

  /** Each layer's keys and values, for every prompt anew; who takes them disposes of them. */
  *[Symbol.iterator](): Generator<KeysValues<Heads>> {
    let stream = tf.clone(this.stream);
    try {
      for (const input of this.inputs) {
        const { stream: after, seen, trace } = forwardBlock(stream, input);
        stream.dispose();
        stream = after;
        if (input.trace) this.#traces[input.layer] = trace;
        else tf.dispose(trace as unknown as tf.TensorContainer);
        const spread = tidy(() => this.#spreadOut(seen!, input));
        tf.dispose(seen as unknown as tf.TensorContainer);
        yield spread;
      }
    } finally {
      stream.dispose();
    }
  }

  get tokens(): number {
    return this.stream.shape[1];
  }

  /**
   * Pulls one layer back, after the one above it, if one of its own or below it wants gradients.
   * @param given gradient by what was given for it; disposed of here. Null where nothing below has one
   */
  pull(layer: number, given: KeysValues<Heads> | null): void {
    const input = this.inputs[layer]!;
    if (!input.trace) return;
    const trace = this.#traces[layer]!;
    const { queries } = trace.span;
    // What its last block makes of the stream is read by nobody.
    const dStream = this.#dStream ?? tf.zeros<tf.Rank.R3>([1, queries, input.architecture.dModel]);
    const gathered = given && tidy(() => this.#gatherUp(given, input));
    const { stream } = pullBlock(dStream, trace, input, given !== null, gathered);
    tf.dispose([dStream, trace, gathered, given] as unknown as tf.TensorContainer);
    delete this.#traces[layer];
    this.#dStream = stream;
  }

  /** Frees what was not pulled back. */
  dispose(): void {
    tf.dispose([this.#dStream, ...this.#traces] as unknown as tf.TensorContainer);
  }

  #spreadOut({ keys, values }: KeysValues<Heads>, input: BlockInput): KeysValues<Heads> {
    const { batch } = this.spread;
    return { keys: this.#turn(repeated(keys, batch), input, 1), values: repeated(values, batch) };
  }

  /** The pullback of {@link #spreadOut}. */
  #gatherUp({ keys, values }: KeysValues<Heads>, input: BlockInput): KeysValues<Heads> {
    const { batch } = this.spread;
    return { keys: summed(this.#turn(keys, input, -1), batch), values: summed(values, batch) };
  }

  /** The beginning stands further from the end of longer prompts: turns its keys as if each prompt had its own. */
  #turn(keys: Heads, { layer, architecture }: BlockInput, direction: 1 | -1): Heads {
    const table = this.spread.turns[layer];
    if (!table) return keys;
    // A table for all prompts together: they are as one.
    const together = keys.rank === 2 ? keys : tf.reshape(keys, [keys.shape[0], 1, -1, keys.shape[3]!]);
    const turned = rotate(together as Heads, table, direction, { batch: 1, heads: architecture.nKvHeads });
    return tf.reshape(turned, keys.shape as tf.Tensor4D['shape']) as Heads;
  }
}

/**
 * Keys or values [heads, batch, positions, width] with each prompt's padding before the beginning that all have in common,
 * not behind it.
 */
export function leftPadded(x: tf.Tensor4D, prompts: readonly Int32Array[], shared: number): tf.Tensor4D {
  const [heads, batch, positions, width] = x.shape;
  if (shared === 0 || prompts.every((ids) => ids.length === positions)) return x;
  const order = new Int32Array(heads * batch * positions);
  for (let at = 0; at < order.length; at++) {
    const column = at % positions;
    const padding = positions - prompts[Math.floor(at / positions) % batch]!.length;
    const first = at - column;
    order[at] =
      first + (column < padding ? shared + column : column < padding + shared ? column - padding : column);
  }
  const places = toTensor(order, [order.length]) as tf.Tensor1D;
  return tf.reshape(tf.gather(tf.reshape(x, [-1, width]), places), x.shape);
}

/** The same for each prompt. */
function repeated(x: Heads, batch: number): Heads {
  return (x.rank === 2 ? tf.tile(x, [batch, 1]) : tf.tile(x, [1, batch, 1, 1])) as Heads;
}

/** The pullback of {@link repeated}, as a product with ones: reductions along columns are slow on wasm. */
function summed(x: Heads, batch: number): Heads {
  const heads = x.rank === 2 ? 1 : x.shape[0];
  const flat = tf.matMul(tf.ones([heads, 1, batch]), tf.reshape(x, [heads, batch, -1]));
  if (x.rank === 2) return tf.reshape<tf.Rank.R2>(flat, [-1, x.shape[1]]);
  return tf.reshape<tf.Rank.R4>(flat, [heads, 1, x.shape[2]!, x.shape[3]!]);
}
