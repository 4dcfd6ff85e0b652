/** How well a circuit finds a planted mechanism, direction by direction. */
import type { Directions } from '../decompose/directions.js';
import { auroc, type Retrieval, retrieval } from '../statistics/retrieval.js';
import type { PlantedTruth } from './planted-truth.js';

/**
 * Of one component's directions, [rank] each. Where the mechanism and all else lie in different singular directions, a
 * share is 1 or 0; where they share some (equal σ, rank overlap, superposition), it is in between.
 */
export interface Shares {
  /** How much of what the direction reads is the mechanism's; 0 where that is the same in all prompts. */
  relevant: Float64Array;
  /** How much of it is not. Where both are 0, the direction counts neither way. */
  irrelevant: Float64Array;
}

/** By component; those not named carry nothing. */
export type DirectionTruth = Map<string, Shares>;

/** What varies less than this, of what a direction reads of the mechanism, is taken to be the same in all prompts. */
const CONSTANT = 0.02;

/** Below this share of the largest, a singular value is 0, and its direction reads nothing. */
const NULL = 1e-5;

/**
 * The truth in terms of a component's directions, in whatever basis.
 * @param positions of masks on OV and MLP: at the last token alone they do not reach what acts before it
 */
export function sharesOf(
  truth: PlantedTruth,
  { component, u, s }: Directions,
  positions: 'last' | 'all',
): Shares {
  const { rows, rank } = component;
  const part = truth.find(
    (each) => each.component === component.name && (positions === 'all' || each.at !== 'earlier'),
  );
  const relevant = new Float64Array(rank);
  const irrelevant = new Float64Array(rank).fill(1);
  if (!part) return { relevant, irrelevant };
  // Other bases than the singular one may come in another order.
  const largest = Math.max(...s);
  for (let k = 0; k < rank; k++) {
    if (s[k]! <= NULL * largest) continue;
    const read = Float64Array.from({ length: rows }, (_, r) => u[r * rank + k]!);
    // Directions of a basis other than the singular one need not be of length 1.
    const length = read.reduce((sum, value) => sum + value ** 2, 0);
    const inside = (basis: number[][]) =>
      basis.reduce((sum, vector) => sum + along(vector, read) ** 2, 0) / length;
    const own = Math.min(1, inside(part.holds));
    relevant[k] = inside(part.varies) > CONSTANT * own ? own : 0;
    irrelevant[k] = 1 - own;
  }
  return { relevant, irrelevant };
}

function along(a: readonly number[], b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

export interface Recovery extends Retrieval {
  /** Of the scores; null where there are none. */
  auroc: number | null;
  /**
   * The best F1 that any set of these directions can have. Below 1, the mechanism has no directions of its own in this
   * basis, and no method that chooses among them can find it.
   */
  ceiling: number;
  /** Directions that have a share of the mechanism of at least a tenth, and those kept. */
  carrying: number;
  kept: number;
}

/**
 * @param masks of each component's directions; kept if above ½
 * @param scores how sure a method is of each; the masks where absent
 */
export function recovery(
  truth: DirectionTruth,
  masks: ReadonlyMap<string, ArrayLike<number>>,
  scores: ReadonlyMap<string, ArrayLike<number>> = masks,
): Recovery {
  const names = [...masks.keys()];
  const all = (values: (name: string) => ArrayLike<number>) =>
    names.flatMap((name) => Array.from(values(name)));
  const none = (name: string) => masks.get(name)!;
  const relevant = all((name) => truth.get(name)?.relevant ?? Array.from(none(name), () => 0));
  const irrelevant = all((name) => truth.get(name)?.irrelevant ?? Array.from(none(name), () => 1));
  const kept = all((name) => masks.get(name)!).map((mask) => mask > 0.5);
  return {
    ...retrieval(kept, relevant, irrelevant),
    auroc: auroc(
      all((name) => scores.get(name)!),
      relevant,
      irrelevant,
    ),
    ceiling: bestF1(relevant, irrelevant),
    carrying: relevant.filter((share) => share >= 0.1).length,
    kept: kept.filter(Boolean).length,
  };
}

/** The best set consists of the purest directions: some number of them, in order of relevant / (relevant + irrelevant). */
function bestF1(relevant: readonly number[], irrelevant: readonly number[]): number {
  const purity = (i: number) => relevant[i]! / (relevant[i]! + irrelevant[i]! || 1);
  const order = relevant.map((_, i) => i).sort((a, b) => purity(b) - purity(a));
  const total = relevant.reduce((sum, share) => sum + share, 0);
  let [found, wrong, best] = [0, 0, 0];
  for (const i of order) {
    found += relevant[i]!;
    wrong += irrelevant[i]!;
    best = Math.max(best, (2 * found) / (found + wrong + total));
  }
  return best;
}
