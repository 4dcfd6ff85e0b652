/** One prompt through the unmasked model: values are read and replaced at named places, coefficients changed. */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import { InputError } from '../errors.js';
import type { Tokenizer } from '../formats/tokenizer.js';
import { type Change, type Intervention, intervene } from '../forward/interventions.js';
import type { MaskedModel } from '../forward/masked-model.js';
import {
  type BlockPlace,
  type Hook,
  type Hooks,
  isBlockPlace,
  kindOfPlace,
  mergedHooks,
  PlaceReader,
} from '../forward/places.js';
import { type Kind, parseComponentName } from '../models/components.js';

/**
 * A place of the forward pass. `final` is the normalised stream after the last block, [tokens, dModel], and needs no
 * layer; the others are places of a block ({@link BlockPlace}), without the batch in their shape.
 */
export interface Place {
  layer?: number;
  place: BlockPlace | 'final';
}

/** What was read at a place. */
export interface PlaceValue extends Place {
  /** As {@link BlockPlace} lists it, without the batch; `positions` are the prompt's tokens. */
  shape: number[];
  /** Row-major. */
  data: Float32Array;
}

/** What goes on from a place in the stead of its value. */
export interface PlaceReplacement extends Place {
  /** Row-major, as many numbers as the place holds. */
  data: Float32Array;
}

/** A change of coefficients y_k = [1, input]·u_k of one component. */
export interface CoefficientChange {
  /** E.g. `L9H6.ov`. */
  component: string;
  /** Which of its directions; all of them by default. */
  directions?: readonly number[];
  /** The last token (default), all tokens, or the indices of some. */
  tokens?: 'last' | 'all' | readonly number[];
  /** y_k becomes the value of `set`, or scale·y_k + add. A value may be a function of token and direction. */
  change:
    | { set: number | ((token: number, direction: number) => number) }
    | { scale?: number; add?: number | ((token: number, direction: number) => number) };
}

/** What {@link LanguageModel.forward} does besides running the prompt. */
export interface ForwardOptions {
  /** Places to be read; what is changed there is read as it is after the change. */
  read?: readonly Place[];
  /** Values put in the stead of the model's own. */
  replace?: readonly PlaceReplacement[];
  /** Changes of coefficients, made one after the other. */
  changes?: readonly CoefficientChange[];
  /** How many of the likeliest tokens are listed; 10 by default. */
  top?: number;
}

/** A token that may follow. */
export interface NextToken {
  id: number;
  /** Its text; null without a tokenizer. */
  token: string | null;
  /** In nats. */
  logProbability: number;
}

/** What a prompt gave. */
export interface ForwardResult {
  /** Token ids of the prompt. */
  ids: number[];
  /** Their texts; null without a tokenizer. */
  tokens: string[] | null;
  /** Logits of the token that follows, [nVocab]. */
  logits: Float32Array;
  /** The likeliest tokens, descending. */
  next: NextToken[];
  /** In the order of `read`. */
  places: PlaceValue[];
}

/** Kinds whose directions must be loaded for a pass. */
export function kindsNeeded({ read = [], replace = [], changes = [] }: ForwardOptions): Kind[] {
  const ofPlaces = [...read, ...replace].map(({ place }) => kindOfPlace(place));
  const ofChanges = changes.map(({ component }) => parseComponentName(component)?.kind ?? null);
  return [...ofPlaces, ...ofChanges].filter((kind) => kind !== null);
}

/** @param model loaded with the directions of {@link kindsNeeded} */
export async function runPrompt(
  model: MaskedModel,
  tokenizer: Tokenizer | null,
  ids: Int32Array,
  { read = [], replace = [], changes = [], top = 10 }: ForwardOptions,
): Promise<ForwardResult> {
  for (const place of [...read, ...replace]) checkPlace(model, place);
  const reader = new PlaceReader(read);
  const { hooks } = intervene(model, [ids], changes.map(interventionOf));
  const state = model.forward([ids], {
    // What is read is what goes on from there.
    hooks: mergedHooks(mergedHooks(replacingHooks(replace), hooks), reader.hooks),
    positions: 'all',
    ends: 'all',
  });
  try {
    const last = tf.tidy(() => model.logits(tf.slice(state, [ids.length - 1, 0], [1, -1])));
    const logits = (await last.data()) as Float32Array;
    last.dispose();
    const places: PlaceValue[] = [];
    for (const { layer, place } of read) {
      const value = reader.value(layer, place);
      const shape = withoutBatch(value.shape);
      places.push({ layer, place, shape, data: Float32Array.from((await value.data()) as Float32Array) });
    }
    return {
      ids: [...ids],
      tokens: tokenizer && Array.from(ids, (id) => tokenizer.token(id)),
      logits: Float32Array.from(logits),
      next: likeliest(logits, tokenizer, top),
      places,
    };
  } finally {
    state.dispose();
    reader.dispose();
  }
}

/** Of a batch of one: it is the third axis from the end, where there are so many. */
function withoutBatch(shape: readonly number[]): number[] {
  return shape.filter((_, axis) => axis !== shape.length - 3);
}

function interventionOf({ component, directions, tokens = 'last', change }: CoefficientChange): Intervention {
  const ofPrompt = (value: number | ((token: number, direction: number) => number) = 0) =>
    typeof value === 'number'
      ? value
      : (_: number, token: number, direction: number) => value(token, direction);
  const ofPrompts: Change =
    'set' in change
      ? { set: ofPrompt(change.set) }
      : { scale: change.scale, add: change.add === undefined ? undefined : ofPrompt(change.add) };
  return {
    component,
    directions,
    tokens: typeof tokens === 'string' ? tokens : [tokens],
    change: ofPrompts,
  };
}

function replacingHooks(replacements: readonly PlaceReplacement[]): Hooks {
  let hooks: Hooks = {};
  for (const { layer, place, data } of replacements) {
    const hook: Hook = {
      replace(value) {
        if (value.size !== data.length)
          throw new InputError(
            `${place}: ${data.length} numbers are given, the place holds [${withoutBatch(value.shape)}]`,
          );
        return toTensor(data, value.shape);
      },
    };
    const blocks = [];
    if (place !== 'final') blocks[layer!] = { [place]: hook };
    hooks = mergedHooks(hooks, place === 'final' ? { final: hook } : { blocks });
  }
  return hooks;
}

function checkPlace({ architecture: { nLayers } }: MaskedModel, { layer, place }: Place): void {
  if (place === 'final') return;
  if (!isBlockPlace(place))
    throw new InputError(
      `no place "${String(place)}" in the forward pass; docs/api.md, BlockPlace, lists them`,
    );
  if (!Number.isInteger(layer) || layer! < 0 || layer! >= nLayers)
    throw new InputError(`${place}: layer ${layer} is none of 0 to ${nLayers - 1}`);
}

function likeliest(logits: Float32Array, tokenizer: Tokenizer | null, top: number): NextToken[] {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
  const normaliser = largest + Math.log(total);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
  return order.slice(0, top).map((id) => ({
    id,
    token: tokenizer?.token(id) ?? null,
    logProbability: logits[id]! - normaliser,
  }));
}
