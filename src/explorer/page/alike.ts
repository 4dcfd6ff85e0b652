/** How far two directions do the same, by what their cards say: a suggestion for who sorts them into groups, no test. */
import type { DirectionCard } from '../snapshot.js';

/** Tokens of each end that count. */
const TOKENS = 10;
/** A class of keys is told apart from others. */
const TOLD = { q: 0.05, effect: 0.5 };

/** What a card says, a text each: with the other sign of the direction, ends change places. */
function featuresOf(card: DirectionCard, turned = false): Set<string> {
  const { kind, raises, lowers, reads, reads_against, keys, keys_against, role, edges } = card;
  const found = new Set<string>();
  const ends = (name: string, up: { id: number }[] | null, down: { id: number }[] | null) => {
    const [first, second] = turned ? [down, up] : [up, down];
    for (const { id } of first?.slice(0, TOKENS) ?? []) found.add(`${kind} ${name} +${id}`);
    for (const { id } of second?.slice(0, TOKENS) ?? []) found.add(`${kind} ${name} −${id}`);
  };
  ends('writes', raises, lowers);
  ends('reads', reads, reads_against);
  // A score is a product: a query's and a key's sign turn together, and the score stays.
  ends('keys', keys, keys_against);
  for (const { class: name, separation } of role?.classes ?? [])
    if (separation && separation.q < TOLD.q && separation.effect > TOLD.effect)
      found.add(`looks for ${name}`);
  for (const { other, side } of edges?.from ?? []) found.add(`from ${other} ${side}`);
  for (const { other, side } of edges?.to ?? []) found.add(`into ${other} ${side}`);
  return found;
}

/** Share of what either says that both say, with the sign that makes them more alike; 0 where nothing is said. */
export function likeness(a: DirectionCard, b: DirectionCard): number {
  const own = featuresOf(a);
  return Math.max(...[false, true].map((turned) => shareOf(own, featuresOf(b, turned))));
}

function shareOf(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0;
  for (const each of a) both += Number(b.has(each));
  const either = a.size + b.size - both;
  return either === 0 ? 0 : both / either;
}

export interface Alike {
  direction: string;
  likeness: number;
}

/** The most alike first, those that share nothing left out. */
export function mostAlike(own: DirectionCard, cards: readonly DirectionCard[], most: number): Alike[] {
  return cards
    .filter(({ direction }) => direction !== own.direction)
    .map((card) => ({ direction: card.direction, likeness: likeness(own, card) }))
    .filter(({ likeness }) => likeness > 0)
    .sort((a, b) => b.likeness - a.likeness)
    .slice(0, most);
}
