/**
 * Minimality (Shi et al., arXiv 2410.13032): is a member missed more than a direction that was added at random and is
 * taken away again? Members of large circuits are sampled, by component.
 */
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import { type Minimality, minimality } from '../statistics/against-random.js';
import {
  byComponent,
  keepingOnly,
  klsOf,
  sidesOf,
  type TestedCircuit,
  type TestSettings,
} from './tested-circuit.js';

export interface MembersTested extends Minimality {
  /** Places of the members that were tested. */
  places: number[];
  /** |ΔKL| without each of them, and without each direction that was added, nats. */
  changes: number[];
  random: number[];
}

/**
 * @param most members that are tested: all of a circuit that has no more
 * @returns null where there is no member, or nothing left out that could be added
 */
export async function membersTested(
  circuit: TestedCircuit,
  { draws, seed, alpha, most }: TestSettings & { most: number },
  call: LongCall,
): Promise<MembersTested | null> {
  const { kept, rest } = sidesOf(circuit);
  if (kept.length === 0 || rest.length === 0) return null;
  const places = stratified(
    byComponent(circuit, kept).map(({ directions }) => directions),
    most,
    new Random(seed).fork('members'),
  );
  const added = new Random(seed).fork('added').sample(rest, Math.min(draws, rest.length));
  const [whole, ...kls] = await klsOf(
    circuit,
    [
      kept,
      ...places.map((place) => kept.filter((at) => at !== place)),
      // Taking the added direction away again leaves the circuit itself.
      ...added.map((at) => [...kept, at]),
    ].map((set) => keepingOnly(circuit, set)),
    'minimality',
    call,
  );
  const moved = kls.map((kl) => Math.abs(kl - whole!));
  const [changes, random] = [moved.slice(0, places.length), moved.slice(places.length)];
  return { places, changes, random, ...minimality(changes, random, { alpha }) };
}

/**
 * A sample in which each stratum has its share, rounded by largest remainders, drawn at random within it.
 * @returns all items where there are no more than `most`
 */
export function stratified<Item>(strata: readonly (readonly Item[])[], most: number, random: Random): Item[] {
  const total = strata.reduce((sum, { length }) => sum + length, 0);
  if (total <= most) return strata.flat();
  const shares = strata.map(({ length }) => (length * most) / total);
  const counts = shares.map(Math.floor);
  const left = most - counts.reduce((sum, count) => sum + count, 0);
  const order = shares
    .map((share, at) => ({ at, rest: share - counts[at]! }))
    .sort((a, b) => b.rest - a.rest || a.at - b.at);
  for (const { at } of order.slice(0, left)) counts[at]!++;
  return strata.flatMap((stratum, at) => random.sample(stratum, counts[at]!));
}
