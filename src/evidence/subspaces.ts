/** Spaces that circuits keep of their components: what two of them share, whatever their bases. */
import { anglesBetween, orthonormal } from '../statistics/principal-angles.js';

/** By component, vectors of the directions that a circuit keeps there: what they write; of QK, what queries read. */
export type KeptVectors = ReadonlyMap<string, readonly ArrayLike<number>[]>;

export interface SharedSpace {
  component: string;
  /** Dimensions of either space. */
  a: number;
  b: number;
  /** Principal angles in radians, smallest first: as many as the smaller space has dimensions. */
  angles: number[];
  /** Σ cos² of them: dimensions that both share, where angles are 0 or right. */
  shared: number;
  /** What two random spaces of these dimensions share in the mean. */
  chance: number;
}

export interface SharedSpaces {
  /** Sums over components, and shared / the smaller one's dimensions. */
  shared: number;
  chance: number;
  smaller: number;
  components: SharedSpace[];
}

/** @param dimensions of the space that a component can write, or read, at all */
export function sharedSpaces(
  a: KeptVectors,
  b: KeptVectors,
  dimensions: (component: string) => number,
): SharedSpaces {
  const components: SharedSpace[] = [];
  let smaller = 0;
  for (const component of new Set([...a.keys(), ...b.keys()])) {
    const [one, other] = [a.get(component) ?? [], b.get(component) ?? []].map(orthonormal) as [
      Float64Array[],
      Float64Array[],
    ];
    smaller += Math.min(one.length, other.length);
    if (one.length === 0 || other.length === 0) continue;
    const angles = anglesBetween(one, other);
    components.push({
      component,
      a: one.length,
      b: other.length,
      angles,
      shared: angles.reduce((sum, angle) => sum + Math.cos(angle) ** 2, 0),
      chance: Math.min(
        (one.length * other.length) / dimensions(component),
        Math.min(one.length, other.length),
      ),
    });
  }
  const total = (key: 'shared' | 'chance') => components.reduce((sum, one) => sum + one[key], 0);
  return { shared: total('shared'), chance: total('chance'), smaller, components };
}
