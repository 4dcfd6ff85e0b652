/** Where a planted mechanism lies: for each component that carries it, the subspaces of its input that matter. */
import { componentName, type Kind } from '../models/components.js';
import { orthonormal } from '../statistics/principal-angles.js';
import type { Blueprint, Neuron, Place } from './blueprint.js';
import { type Code, dot } from './codes.js';
import type { Frame } from './frame.js';

/** Bases are orthonormal vectors of a component's augmented input, bias first: the space of its u. */
export interface PlantedPart {
  component: string;
  /** Where its coefficients matter; query-key masks act at every position. */
  at: Place | 'everywhere';
  /**
   * What differs between prompts. A coefficient that is the same in all prompts may be masked out without a trace: the
   * corrupted prompt's, the mean and another prompt's are the same.
   */
  varies: number[][];
  /** All that the mechanism reads or meets there, what never differs included. */
  holds: number[][];
}

export type PlantedTruth = PlantedPart[];

export function plantedTruth({ blocks }: Blueprint, frame: Frame): PlantedTruth {
  const parts: PlantedTruth = [];
  const add = (kind: Kind, layer: number, head: number | undefined, part: Omit<PlantedPart, 'component'>) =>
    parts.push({ component: componentName(kind, layer, head), ...part });
  const augmented = (code: Code) => [0, ...frame.vector(code)];
  for (const [layer, { heads, neurons, carries }] of blocks.entries()) {
    for (const [head, { carries: carried }] of heads.entries()) {
      if (!carried) continue;
      const queries = spanOf(carried.queries.map(augmented));
      // Masked-out scores are dropped, not replaced: what never differs counts, too.
      add('qk', layer, head, { at: 'everywhere', varies: queries, holds: queries });
      add('ov', layer, head, { at: carried.at, ...replaced(carried.contexts.map(augmented)) });
    }
    if (!carries) continue;
    const own = neurons.slice(0, carries.neurons);
    const reads = own.map(({ read }) => augmented(read));
    add('mlp_in', layer, undefined, { at: carries.at, ...replaced(carries.inputs.map(augmented), reads) });
    const width = Math.max(...blocks.map(({ neurons }) => neurons.length));
    const hidden = carries.inputs.map((input) => [0, ...activity(own, input, width)]);
    const each = own.map((_, at) => oneHot(1 + at, 1 + width));
    add('mlp_out', layer, undefined, { at: carries.at, ...replaced(hidden, each) });
  }
  return parts;
}

function activity(neurons: readonly Neuron[], input: Code, width: number): number[] {
  const values = new Array<number>(width).fill(0);
  for (const [at, { read, bias }] of neurons.entries()) values[at] = Math.max(0, dot(read, input) + bias);
  return values;
}

/** The spaces of states of which one is replaced by another. */
function replaced(states: number[][], holds = states): Pick<PlantedPart, 'varies' | 'holds'> {
  const [first, ...others] = states as [number[], ...number[][]];
  return {
    varies: spanOf(others.map((state) => state.map((value, i) => value - first[i]!))),
    holds: spanOf([oneHot(0, first.length), ...holds]),
  };
}

function oneHot(at: number, length: number): number[] {
  return Array.from({ length }, (_, i) => Number(i === at));
}

function spanOf(vectors: number[][]): number[][] {
  return orthonormal(vectors).map((vector) => [...vector]);
}
