/** Which directions are scored: all, those of a circuit, or a list; in the order of the mask vector. */
import { InputError } from '../errors.js';
import { type Component, parseDirectionRange } from '../models/components.js';

export interface ScoredComponent {
  component: Component;
  /** Indices of its scored directions, ascending. */
  indices: number[];
}

/** Layers that a pass runs through: none behind the last that is scored. */
export function depthOf(scored: readonly ScoredComponent[]): number {
  return 1 + Math.max(...scored.map(({ component }) => component.layer));
}

/**
 * @param list `all`, or items such as `L9H6.qk.28`, `L9H6.qk.0-7` or `L9H6.qk`
 * @param components of the model, in order
 * @throws InputError naming the item that is no direction of the model
 */
export function chooseDirections(list: string, components: readonly Component[]): ScoredComponent[] {
  if (list.trim() === 'all')
    return components.map((component) => ({ component, indices: range(0, component.rank) }));
  const chosen = new Map<string, Set<number>>();
  for (const item of list.split(',').map((text) => text.trim())) {
    const asked = parseDirectionRange(item);
    if (!asked)
      throw new InputError(
        `--directions ${item}: give all, active, or names such as L0H1.qk.3, L0H1.qk.0-7 or L0H1.qk`,
      );
    const component = components.find(({ name }) => name === asked.component.name);
    if (!component)
      throw new InputError(
        `--directions ${item}: the model has no ${asked.component.name}; its components are ${components[0]!.name} to ${components.at(-1)!.name}`,
      );
    const { first } = asked;
    const last = Number.isFinite(asked.last) ? asked.last : component.rank - 1;
    if (first > last || last >= component.rank)
      throw new InputError(
        `--directions ${item}: ${component.name} has directions 0 to ${component.rank - 1}`,
      );
    const own = chosen.get(component.name) ?? new Set();
    for (const index of range(first, last + 1)) own.add(index);
    chosen.set(component.name, own);
  }
  return ordered(chosen, components);
}

/** Those whose mask is above the threshold. @throws InputError if there are none */
export function activeDirections(
  masks: ReadonlyMap<string, Float32Array>,
  threshold: number,
  components: readonly Component[],
): ScoredComponent[] {
  const chosen = new Map(
    [...masks].map(([name, values]): [string, Set<number>] => [
      name,
      new Set([...values.keys()].filter((index) => values[index]! > threshold)),
    ]),
  );
  const active = ordered(chosen, components);
  if (active.length === 0)
    throw new InputError(`--directions active: no mask of the run is above ${threshold}; give all or a list`);
  return active;
}

function ordered(chosen: Map<string, Set<number>>, components: readonly Component[]): ScoredComponent[] {
  return components.flatMap((component) => {
    const indices = [...(chosen.get(component.name) ?? [])].sort((a, b) => a - b);
    return indices.length === 0 ? [] : [{ component, indices }];
  });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
