/** Subspaces of components learned from two starts, and held against singular directions and chance. */
import {
  type AlignOptions,
  alignSubspaces,
  klOfSubspaces,
  type Subspace,
} from '../masks/aligned-subspaces.js';
import type { Component } from '../models/components.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import type { Random } from '../random.js';
import { orthonormal, principalAngles } from '../statistics/principal-angles.js';
import { mean } from '../statistics/summary.js';
import type { AlignedComponent, Alignment } from './align-file.js';

/** A component that a subspace is looked for in. */
export interface SubspacePlace {
  component: Component;
  /** Dimensions of the subspace, and of all that the component can write (of QK, read). */
  size: number;
  span: number;
  /** Places of the circuit's directions among the component's. */
  kept: readonly number[];
}

/**
 * Learns the subspaces of all places together, once from random ones and once from the first singular directions, and
 * takes those with the lower KL on the validation pairs.
 * @throws InterruptedError if the signal fires
 */
export async function learnSubspaces(
  { train, validation }: Record<'train' | 'validation', PreparedPairs>,
  places: readonly SubspacePlace[],
  options: Omit<AlignOptions, 'start' | 'validate'>,
  random: Random,
  call: LongCall,
): Promise<Pick<Alignment, 'start'> & { subspaces: Subspace[] }> {
  const validate = (subspaces: readonly Subspace[]) => klOfSubspaces(validation, subspaces, call);
  const from = async (start: Alignment['start']) => {
    const own = { ...options, start, validate };
    return { start, ...(await alignSubspaces(train, places, own, random.fork(`align from ${start}`), call)) };
  };
  const [first, second] = [await from('random'), await from('singular')];
  return second.kl < first.kl ? second : first;
}

/**
 * KL with the subspaces kept; with singular directions, with random subspaces and with nothing in their place.
 * @throws InterruptedError if the signal fires
 */
export async function measureSubspaces(
  test: PreparedPairs,
  places: readonly SubspacePlace[],
  subspaces: readonly Subspace[],
  { draws, random }: { draws: number; random: Random },
  call: LongCall,
): Promise<Alignment['kl']> {
  const kl = (rowsOf: (place: SubspacePlace, at: number) => readonly Float64Array[]) =>
    klOfSubspaces(
      test,
      places.map((place, at) => ({ component: place.component, rows: rowsOf(place, at) })),
      call,
    );
  const chance: number[] = [];
  for (let draw = 0; draw < draws; draw++)
    chance.push(await kl((place) => drawn(place, random.fork(`random ${draw} ${place.component.name}`))));
  return {
    learned: await kl((_, at) => subspaces[at]!.rows),
    top_sigma: await kl(({ component: { rank }, size }) => axes(rank, first(size))),
    circuit: await kl(({ component: { rank }, kept }) => axes(rank, kept)),
    random: mean(chance)!,
    nothing: await kl(() => []),
  };
}

/** Share of a subspace that its singular directions must hold. */
const HELD = 0.95;

/** What a subspace shares with singular directions, and what chance would give. */
export function besideSingular(
  { component, size, span, kept }: SubspacePlace,
  { rows }: Subspace,
): AlignedComponent {
  const { rank } = component;
  const shared = (places: readonly number[]) => {
    const angles = principalAngles(rows, axes(rank, places));
    return {
      directions: places.length,
      dimensions: angles.reduce((sum, angle) => sum + Math.cos(angle) ** 2, 0),
      chance: Math.min((size * places.length) / span, size, places.length),
      angles,
    };
  };
  let [holding, sum] = [0, 0];
  while (sum < HELD * size && holding < rank) {
    sum += rows.reduce((all, row) => all + row[holding]! ** 2, 0);
    holding++;
  }
  return {
    ...{ component: component.name, size, span, holding },
    shared: { top_sigma: shared(first(size)), circuit: kept.length > 0 ? shared(kept) : null },
  };
}

const first = (size: number) => Array.from({ length: size }, (_, k) => k);

/** A random subspace of the size. */
function drawn({ component, size, span }: SubspacePlace, random: Random): Float64Array[] {
  return orthonormal(
    first(size).map(() =>
      Float64Array.from({ length: component.rank }, (_, k) => (k < span ? random.normal() : 0)),
    ),
  );
}

/** Singular directions as a subspace. */
function axes(rank: number, places: readonly number[]): Float64Array[] {
  return places.map((at) => Float64Array.from({ length: rank }, (_, k) => Number(k === at)));
}
