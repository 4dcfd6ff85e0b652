/** Changes chosen coefficients of chosen tokens in place, as hooks on the forward pass. */
import * as tf from '@tensorflow/tfjs-core';
import { toTensor } from '../engine/tensor.js';
import { InputError } from '../errors.js';
import type { Component } from '../models/components.js';
import type { MaskedModel } from './masked-model.js';
import type { Positions } from './masking-rules.js';
import { type BlockHooks, coefficientsOf, type Hook, type Hooks, mergedHooks } from './places.js';

/** One value for all, or a value for each prompt, token of the prompt and direction of the component. */
export type Values = number | ((prompt: number, token: number, direction: number) => number);

/** y becomes the value of `set`, or scale·y + add. */
export type Change = { set: Values } | { scale?: number; add?: Values };

export interface Intervention {
  /** E.g. `L9H6.ov`. */
  component: string;
  /** Which of its directions; all of them by default. */
  directions?: readonly number[];
  /** Each prompt's last token, all tokens, or for each prompt the indices of some. */
  tokens: Positions | readonly (readonly number[])[];
  /**
   * What becomes of their coefficients y_k = [1, input]·u_k (docs/maths.md, "Masked forward"). Planes of QK have two
   * coordinates each and can only be scaled.
   */
  change: Change;
}

/**
 * Options of a pass over these prompts that makes the changes, one after the other, with or without masks: what masks
 * leave of a coefficient is changed. Gradients can be pulled back through it.
 *
 *     const change = { component: 'L4.mlp_out', directions: [7], tokens: 'last', change: { set: 0 } } as const;
 *     const states = model.forward(prompts, intervene(model, prompts, [change]));
 *
 * @param model loaded with the directions of these components
 * @throws InputError naming the component, direction or token that is not there
 */
export function intervene(
  model: Pick<MaskedModel, 'layout' | 'sigma' | 'planes'>,
  prompts: readonly Int32Array[],
  interventions: readonly Intervention[],
): { hooks: Hooks; positions: Positions } {
  let hooks: Hooks = { blocks: [] };
  for (const intervention of interventions) {
    const component = model.layout.components.find(({ name }) => name === intervention.component);
    if (!component)
      throw new InputError(`${intervention.component} is no component whose directions are loaded`);
    const { layer, kind } = component;
    const blocks: BlockHooks[] = [];
    blocks[layer] = { [coefficientsOf(kind)]: hookOf(model, prompts, component, intervention) };
    hooks = mergedHooks(hooks, { blocks });
  }
  const lastOnly = interventions.every(({ tokens }) => tokens === 'last');
  return { hooks, positions: lastOnly ? 'last' : 'all' };
}

function hookOf(
  { layout, sigma, planes }: Pick<MaskedModel, 'layout' | 'sigma' | 'planes'>,
  prompts: readonly Int32Array[],
  component: Component,
  { directions, tokens, change }: Intervention,
): Hook {
  const { kind, layer, name, rank } = component;
  const byPlane = kind === 'qk' && planes !== null;
  if (byPlane && ('set' in change || change.add !== undefined))
    throw new InputError(
      `${name}: planes have two coordinates each; they can be scaled, not set or added to`,
    );
  const chosen = directions ?? Array.from({ length: rank }, (_, direction) => direction);
  const beyond = chosen.find((direction) => !isIndex(direction, rank));
  if (beyond !== undefined) throw new InputError(`${name} has directions 0 to ${rank - 1}, not ${beyond}`);
  const chosenTokens = prompts.map(({ length }, prompt) => tokensOf(tokens, prompt, length, name));
  const { start } = layout.of(component);
  const block = layout.block(layer, kind)!;
  const first = start - block.start;
  const width = byPlane ? 2 * block.length : block.length;
  /** Columns of a direction in the place, and what one of y_k is there. */
  const columnsOf = (direction: number): number[] => {
    if (!byPlane) return [first + direction];
    return planes[layer]![direction]!.map((coordinate) => 2 * first + coordinate);
  };
  const unitOf = (direction: number) => (kind === 'ov' ? sigma[start + direction]! : 1);

  /** Row-major [rows, width]. */
  const arrays = (rows: number) => {
    const count = rows / prompts.length;
    const scale = new Float32Array(rows * width).fill(1);
    const add = new Float32Array(rows * width);
    prompts.forEach((ids, prompt) => {
      for (const token of chosenTokens[prompt]!) {
        const column = count - ids.length + token;
        // The place has no such position where nothing that is computed reads it.
        if (column < 0) continue;
        for (const direction of chosen) {
          const inPlace = (values: Values) =>
            unitOf(direction) * (typeof values === 'number' ? values : values(prompt, token, direction));
          for (const at of columnsOf(direction)) {
            const cell = (prompt * count + column) * width + at;
            scale[cell] = 'set' in change ? 0 : (change.scale ?? 1);
            add[cell] = inPlace('set' in change ? change.set : (change.add ?? 0));
          }
        }
      }
    });
    return { scale: toTensor(scale, [rows, width]), add: toTensor(add, [rows, width]) };
  };
  return {
    replace(value) {
      const { scale, add } = arrays(value.shape[0]!);
      return tf.add(tf.mul(value, scale), add);
    },
    pull: (gradient) => tf.mul(gradient, arrays(gradient.shape[0]!).scale),
  };
}

function tokensOf(
  tokens: Intervention['tokens'],
  prompt: number,
  length: number,
  name: string,
): readonly number[] {
  if (tokens === 'last') return [length - 1];
  if (tokens === 'all') return Array.from({ length }, (_, token) => token);
  const chosen = tokens[prompt] ?? [];
  const beyond = chosen.find((token) => !isIndex(token, length));
  if (beyond !== undefined)
    throw new InputError(`${name}: prompt ${prompt} has tokens 0 to ${length - 1}, not ${beyond}`);
  return chosen;
}

function isIndex(value: number, length: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < length;
}
