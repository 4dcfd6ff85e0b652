/** What an intervention is compared with: as many directions outside a circuit, and random ones of the same norm. */
import type { Component } from '../models/components.js';
import type { Random } from '../random.js';
import { type Direction, directionName } from './coefficients.js';

/**
 * As many directions as are chosen, none of them excluded: drawn from the same components where those have enough, then
 * from the same layer's components of that kind, then from those of all layers.
 * @param excluded names of directions, as `directionName` writes them
 * @returns null if there are too few
 */
export function drawOutside(
  chosen: readonly Direction[],
  components: readonly Component[],
  excluded: ReadonlySet<string>,
  random: Random,
): Direction[] | null {
  const used = new Set(excluded);
  const drawn: Direction[] = [];
  for (const { component } of chosen) {
    const { name, kind, layer } = component;
    const circles = [
      components.filter((other) => other.name === name),
      components.filter((other) => other.kind === kind && other.layer === layer),
      components.filter((other) => other.kind === kind),
    ];
    const free = circles.map((circle) => freeOf(circle, used)).find(({ length }) => length > 0);
    if (!free) return null;
    const one = random.pick(free);
    used.add(directionName(one));
    drawn.push(one);
  }
  return drawn;
}

function freeOf(components: readonly Component[], used: ReadonlySet<string>): Direction[] {
  return components
    .flatMap((component) => Array.from({ length: component.rank }, (_, index) => ({ component, index })))
    .filter((direction) => !used.has(directionName(direction)));
}

/**
 * Random directions in place of chosen ones: for each, a unit vector in the space that its component writes to,
 * orthogonal to the component's other ones. Given by what it takes of each of the component's v_k.
 * @param sigma of a component's directions; those without any (null directions) are left out
 * @returns [chosen][rank of its component]
 */
export function randomMixtures(
  chosen: readonly Direction[],
  sigma: (component: Component) => ArrayLike<number>,
  random: Random,
): Float64Array[] {
  const drawn = new Map<string, Float64Array[]>();
  return chosen.map(({ component }) => {
    const others = drawn.get(component.name) ?? [];
    drawn.set(component.name, others);
    const s = sigma(component);
    const mixture = Float64Array.from({ length: component.rank }, (_, k) =>
      s[k]! > 1e-5 * s[0]! ? random.normal() : 0,
    );
    for (const other of others) {
      const along = mixture.reduce((sum, value, k) => sum + value * other[k]!, 0);
      for (let k = 0; k < mixture.length; k++) mixture[k]! -= along * other[k]!;
    }
    const norm = Math.hypot(...mixture);
    // As many directions as the component has: the next one has no room of its own, and shares.
    const unit = norm > 1e-9 ? mixture.map((value) => value / norm) : others[0]!;
    others.push(unit);
    return unit;
  });
}
