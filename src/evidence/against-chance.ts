/**
 * Sufficiency and partial necessity (Shi et al., arXiv 2410.13032): the circuit against random sets of its size, drawn
 * from all directions, component by component, and from what it leaves out.
 */
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import { type Count, partialNecessity, sufficiency } from '../statistics/against-random.js';
import {
  byComponent,
  drawByComponent,
  keepingOnly,
  klsOf,
  sidesOf,
  type TestedCircuit,
  type TestSettings,
  without,
} from './tested-circuit.js';

export const CHANCES = [
  'sufficiency',
  'sufficiency_by_component',
  'necessity',
  'necessity_by_component',
  'necessity_of_rest',
] as const;
export type Chance = (typeof CHANCES)[number];

export interface AgainstChance extends Count {
  /** What the circuit loses, or the model without it: KL, nats. */
  loss: number;
  /** The same of each random set. */
  random: number[];
}

/**
 * One of the comparisons.
 * @returns null where no set can be drawn: too few are left out, or the circuit keeps all of every component that it has any of
 */
export async function againstChance(
  circuit: TestedCircuit,
  which: Chance,
  { draws, seed }: Pick<TestSettings, 'draws' | 'seed'>,
  call: LongCall,
): Promise<AgainstChance | null> {
  const { all, kept, rest } = sidesOf(circuit);
  const knocksOut = which.startsWith('necessity');
  const drawn = (random: Random): number[] => {
    if (which.endsWith('by_component')) return drawByComponent(circuit, random);
    return random.sample(which === 'necessity_of_rest' ? rest : all, kept.length);
  };
  if (which === 'necessity_of_rest' && rest.length < kept.length) return null;
  if (rest.length === 0 || kept.length === 0) return null;
  if (which.endsWith('by_component') && isWhole(circuit, kept, all)) return null;
  const masksOf = (set: readonly number[]) => (knocksOut ? without(circuit, set) : keepingOnly(circuit, set));
  const sets = Array.from({ length: draws }, (_, draw) => drawn(new Random(seed).fork(`${which} ${draw}`)));
  const [loss, ...random] = await klsOf(
    circuit,
    [kept, ...sets].map(masksOf),
    which.replaceAll('_', ' '),
    call,
  );
  const count = knocksOut ? partialNecessity(loss!, random) : sufficiency(loss!, random);
  return { ...count, loss: loss!, random };
}

/** Whether every component is kept whole or not at all: then a draw by component is the circuit itself. */
function isWhole(circuit: TestedCircuit, kept: readonly number[], all: readonly number[]): boolean {
  const sizes = new Map(byComponent(circuit, all).map((one) => [one.component, one.directions.length]));
  return byComponent(circuit, kept).every((one) => one.directions.length === sizes.get(one.component));
}
