/**
 * Named places of the forward pass. At each of them a value can be read, replaced, and a gradient pulled back from
 * it; a pass without hooks computes and keeps nothing more than it needs.
 */
import * as tf from '@tensorflow/tfjs-core';
import { InputError } from '../errors.js';
import type { Kind } from '../models/components.js';
import { KINDS } from '../settings/choices.js';

const BLOCK_PLACES = [
  'streamBefore',
  'attentionInput',
  'queryRate',
  'keyRate',
  'q',
  'k',
  'v',
  'scores',
  'pattern',
  'z',
  'attentionWritten',
  'attentionOutput',
  'streamBetween',
  'mlpInput',
  'mlpHidden',
  'mlpWritten',
  'mlpOutput',
  'streamAfter',
] as const;

/**
 * The places of a block, in the order in which a pass comes by:
 *
 * | place | shape | value |
 * | --- | --- | --- |
 * | `streamBefore` | [batch, positions, dModel] | the stream that the block reads |
 * | `attentionInput` | [batch·positions, dModel] | the same, normalised |
 * | `queryRate`, `keyRate` | [heads, batch, positions, 1] | factor of the normalisation of queries and keys, where they have one |
 * | `q` | [heads, batch, queries, dHead] | queries as attention multiplies them: normalised, and turned by their column |
 * | `k`, `v` | [key heads, batch, positions, dHead] | keys likewise, and values |
 * | `scores` | [heads, batch, queries, keys] | scaled and capped; keys that must not be seen are ruled out after this |
 * | `pattern` | [heads, batch, queries, keys] | what the softmax makes of them |
 * | `z` | [heads, batch, queries, dHead] | each head's mean of values |
 * | `attentionWritten` | [batch, queries, dModel] | what the output matrix writes |
 * | `attentionOutput` | [batch, queries, dModel] | what joins the stream: the same, normalised where the model does so (Gemma) |
 * | `streamBetween` | [batch, queries, dModel] | the stream with it |
 * | `mlpInput` | [batch·queries, dModel] | what the MLP reads |
 * | `mlpHidden` | [batch·queries, dMlp] | its hidden layer after the activation and the gate |
 * | `mlpWritten`, `mlpOutput` | [batch, queries, dModel] | as for attention |
 * | `streamAfter` | [batch, queries, dModel] | the stream that the next block reads |
 *
 * And for each kind that has directions, `KIND.coefficients`: what is multiplied by what each direction writes, heads
 * side by side. With docs/maths.md's y_k = [1, input]·u_k these are y_k for QK (at all queries) and the MLP's matrices,
 * and σ_k y_k for OV: [batch·masked positions, directions].
 *
 * `positions` are the stream's, padding included, of which the last block computes the last one alone unless all are
 * asked for (`queries`); `keys` are the past's positions and the stream's.
 */
export type BlockPlace = (typeof BLOCK_PLACES)[number] | CoefficientPlace;

export type CoefficientPlace = `${Kind}.coefficients`;

/** The kind whose coefficients a place holds; null for other places. */
export function kindOfPlace(place: string): Kind | null {
  return KINDS.find((kind) => coefficientsOf(kind) === place) ?? null;
}

/** Whether a block has a place of that name, in some architecture. */
export function isBlockPlace(name: string): name is BlockPlace {
  return (BLOCK_PLACES as readonly string[]).includes(name) || kindOfPlace(name) !== null;
}

export function coefficientsOf(kind: Kind): CoefficientPlace {
  return `${kind}.coefficients`;
}

/**
 * After the blocks: `final`, the normalised stream, [batch, dModel] or, where all positions are asked for,
 * [batch·positions, dModel]; and in passes that are pulled back `logits`, [the same, nVocab].
 */
export type EndPlace = 'final' | 'logits';

/** What is done at a place. Tensors that a function makes are freed with the block's, unless it keeps them (`tf.keep`). */
export interface Hook {
  /** Sees the value; what it keeps of it must be a clone. */
  read?(value: tf.Tensor): void;
  /** What goes on in the value's stead, of its shape. */
  replace?(value: tf.Tensor): tf.Tensor;
  /**
   * On the way back: from the gradient by what went on, that by the value. One that only looks returns what it was
   * given. Where a value is replaced in a pass that is pulled back, this must be there.
   */
  pull?(gradient: tf.Tensor): tf.Tensor;
}

export type BlockHooks = Partial<Record<BlockPlace, Hook>>;

export interface Hooks extends Partial<Record<EndPlace, Hook>> {
  /** By layer. */
  blocks?: readonly (BlockHooks | undefined)[];
}

/** What goes on from a place. */
export function onward<T extends tf.Tensor>(hook: Hook | undefined, value: T): T {
  hook?.read?.(value);
  return (hook?.replace?.(value) ?? value) as T;
}

/** The gradient by a place's value, from that by what went on. */
export function backward<T extends tf.Tensor>(hook: Hook | undefined, gradient: T): T {
  if (hook?.replace && !hook.pull)
    throw new Error('a value was replaced by a hook that pulls no gradient back');
  return (hook?.pull?.(gradient) ?? gradient) as T;
}

/** Whether coefficients must pass through their directions: elsewhere the plain matrix is as good, and costs less. */
export function changes(hook: Hook | undefined): boolean {
  return hook?.replace !== undefined || hook?.pull !== undefined;
}

/** Both, one after the other: the second sees what the first lets through. */
function chained(first: Hook | undefined, second: Hook | undefined): Hook | undefined {
  if (!first || !second) return first ?? second;
  const replaces = first.replace ?? second.replace;
  const pulls = first.pull ?? second.pull;
  return {
    read(value) {
      first.read?.(value);
      if (!replaces) second.read?.(value);
    },
    ...(replaces && { replace: (value) => onward(second, first.replace?.(value) ?? value) }),
    ...(pulls && { pull: (gradient) => backward(first, backward(second, gradient)) }),
  };
}

export function mergedHooks(first: Hooks, second: Hooks | undefined): Hooks {
  if (!second) return first;
  const length = Math.max(first.blocks?.length ?? 0, second.blocks?.length ?? 0);
  const blocks = Array.from({ length }, (_, layer): BlockHooks => {
    const [a, b] = [first.blocks?.[layer] ?? {}, second.blocks?.[layer] ?? {}];
    const places = [...new Set([...Object.keys(a), ...Object.keys(b)])] as BlockPlace[];
    return Object.fromEntries(places.map((place) => [place, chained(a[place], b[place])]));
  });
  return {
    blocks,
    final: chained(first.final, second.final),
    logits: chained(first.logits, second.logits),
  };
}

/** The lowest layer that gradients are pulled back to; none where they stop after the blocks. */
export function lowestPulled({ blocks = [] }: Hooks): number {
  const layer = blocks.findIndex((hooks) => Object.values(hooks ?? {}).some((hook) => hook?.pull));
  return layer === -1 ? Number.POSITIVE_INFINITY : layer;
}

/** Places whose gradient comes by way of the stream that a block reads; all others have theirs without it. */
const AT_THE_INPUT: readonly BlockPlace[] = ['streamBefore', 'attentionInput', 'keyRate', 'k', 'v'];

/** Whether a block is pulled back to what it reads for the sake of its own hooks. */
export function pullsInput(hooks: BlockHooks): boolean {
  return AT_THE_INPUT.some((place) => hooks[place]?.pull);
}

/** Places at which something can join the stream that no matrix of the model wrote. */
const ON_THE_STREAM: readonly BlockPlace[] = [
  'streamBefore',
  'attentionWritten',
  'attentionOutput',
  'streamBetween',
  'mlpWritten',
  'mlpOutput',
  'streamAfter',
];

/** Whether what the stream holds may have a mean, where the weight form leaves none. */
export function replacesStream({ blocks = [] }: Hooks): boolean {
  return blocks.some((hooks) => ON_THE_STREAM.some((place) => hooks?.[place]?.replace));
}

/** Whether all hooks are where the last position alone is passed: OV and MLP coefficients of it, and the ends. */
export function isAtTheEnd({ blocks = [] }: Hooks = {}): boolean {
  return blocks.every((hooks) =>
    Object.keys(hooks ?? {}).every(
      (place) => place.endsWith('.coefficients') && place !== coefficientsOf('qk'),
    ),
  );
}

export interface PlaceInModel {
  /** Not for places after the blocks. */
  layer?: number;
  place: BlockPlace | EndPlace;
}

/**
 * Keeps the values of some places and, in passes that are pulled back, their gradients.
 *
 *     const reader = new PlaceReader([{ layer: 3, place: 'z' }]);
 *     model.forward(prompts, { hooks: reader.hooks }).dispose();
 *     const z = await reader.value(3, 'z').data();
 *     reader.dispose();
 */
export class PlaceReader {
  readonly hooks: Hooks;
  readonly #values = new Map<string, tf.Tensor>();
  readonly #gradients = new Map<string, tf.Tensor>();

  /** @param options.gradients the pass will be pulled back to these places */
  constructor(places: readonly PlaceInModel[], { gradients = false } = {}) {
    const blocks: BlockHooks[] = [];
    const ends: Partial<Record<EndPlace, Hook>> = {};
    for (const { layer, place } of places) {
      const key = keyOf(layer, place);
      const hook: Hook = {
        read: (value) => keepIn(this.#values, key, value),
        ...(gradients && {
          pull: (gradient: tf.Tensor) => {
            keepIn(this.#gradients, key, gradient);
            return gradient;
          },
        }),
      };
      if (place === 'final' || place === 'logits') ends[place] = hook;
      else blocks[layer!] = { ...blocks[layer!], [place]: hook };
    }
    this.hooks = { blocks, ...ends };
  }

  /** The value that was read last; this reader's. @throws InputError if no pass came by there */
  value<T extends tf.Tensor>(layer: number | undefined, place: PlaceInModel['place']): T {
    return found(this.#values, layer, place) as T;
  }

  /** Likewise its gradient. */
  gradient<T extends tf.Tensor>(layer: number | undefined, place: PlaceInModel['place']): T {
    return found(this.#gradients, layer, place) as T;
  }

  dispose(): void {
    for (const kept of [this.#values, this.#gradients]) {
      tf.dispose([...kept.values()]);
      kept.clear();
    }
  }
}

function keyOf(layer: number | undefined, place: PlaceInModel['place']): string {
  return layer === undefined ? place : `${place} of layer ${layer}`;
}

function keepIn(kept: Map<string, tf.Tensor>, key: string, value: tf.Tensor): void {
  kept.get(key)?.dispose();
  kept.set(key, tf.keep(tf.clone(value)));
}

function found(
  kept: Map<string, tf.Tensor>,
  layer: number | undefined,
  place: PlaceInModel['place'],
): tf.Tensor {
  const key = keyOf(layer, place);
  const value = kept.get(key);
  if (!value) throw new InputError(`no pass comes by ${key}: this model has no such place there`);
  return value;
}
