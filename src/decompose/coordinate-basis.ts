/** The basis that the model itself was written in: neurons, and dimensions of heads (docs/maths.md, "Other bases"). */
import type { Architecture } from '../models/architecture.js';
import {
  type Component,
  decomposedKinds,
  kindsOf,
  listComponents,
  type Ranks,
  withRank,
} from '../models/components.js';
import { DEFAULT_SPLIT, type QkSplit } from '../models/qk-split.js';
import type { LayerWeights } from '../models/weights.js';
import type { Directions } from './directions.js';
import { factorsOf } from './factors.js';
import { type Terms, termsAsDirections } from './terms.js';

/** How many coordinates each component has: of an MLP's matrix its neurons, and one more where it has a bias row. */
export function coordinateRanks(architecture: Architecture, qkSplit: QkSplit = DEFAULT_SPLIT): Ranks {
  const kinds = decomposedKinds({ architecture, qkSplit }, kindsOf(architecture));
  return Object.fromEntries(
    listComponents(architecture, kinds, qkSplit).map((component) => [
      component.name,
      coordinatesOf(component, architecture),
    ]),
  );
}

function coordinatesOf({ kind, rows, cols }: Component, { dHead, biases }: Architecture): number {
  if (kind === 'qk') return dHead;
  if (kind === 'ov') return dHead + Number(biases.o);
  return kind === 'mlp_out' || kind === 'mlp_down' ? rows : cols;
}

/**
 * One direction for each neuron or head dimension, in their own order. Of the matrix out of an MLP, and of the output of
 * a head with an output bias, one more stands for the bias: first there, last here.
 */
export function inCoordinates(
  component: Component,
  weights: LayerWeights,
  architecture: Architecture,
  split: QkSplit,
): Directions {
  const { kind, rows, cols } = component;
  const { a, b, inner } = factorsOf(component, weights, architecture, split);
  const n = coordinatesOf(component, architecture);
  const whole = withRank(component, n);
  const rotary = architecture.rotary !== undefined;
  if (kind === 'qk' && rotary) return termsAsDirections(whole, { left: a, right: identity(n) }, rotary);
  // Columns of a times rows of b; the dimensions of an OV head are those of its values.
  if (b)
    return termsAsDirections(
      whole,
      { left: a, right: b, ...(kind === 'ov' && { head: identity(inner) }) },
      rotary,
    );
  const out = kind === 'mlp_out' || kind === 'mlp_down';
  const terms: Terms = out ? { left: identity(rows), right: a } : { left: a, right: identity(cols) };
  return termsAsDirections(whole, terms, rotary);
}

function identity(n: number): Float32Array {
  const matrix = new Float32Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1;
  return matrix;
}
