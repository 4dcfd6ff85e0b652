/** Directions whose cards say the same. */
import { expect, it } from 'vitest';
import { likeness, mostAlike } from '../../src/explorer/page/alike.js';
import type { DirectionCard } from '../../src/explorer/snapshot.js';

const ends = (...ids: number[]) => ids.map((id) => ({ id, token: String(id), value: 1 }));
const card = (direction: string, up: number[], down: number[], more: Partial<DirectionCard> = {}) =>
  ({
    ...{
      direction,
      kind: 'ov',
      raises: ends(...up),
      lowers: ends(...down),
      reads: null,
      reads_against: null,
    },
    ...{ keys: null, keys_against: null, role: null, ...more },
  }) as DirectionCard;

it('is the share of what both say, whichever sign a direction has', () => {
  const own = card('a', [1, 2], [3, 4]);
  expect(likeness(own, card('b', [1, 2], [3, 4]))).toBe(1);
  expect(likeness(own, card('b', [3, 4], [1, 2]))).toBe(1);
  // Of 1, 2, −3, −4 and 1, 5, −3, −6 two are common.
  expect(likeness(own, card('b', [1, 5], [3, 6]))).toBeCloseTo(2 / 6);
  expect(likeness(own, card('b', [7], [8]))).toBe(0);
  expect(likeness(card('a', [], []), card('b', [], []))).toBe(0);
});

it('does not take what one kind writes for what another does', () => {
  expect(likeness(card('a', [1], []), card('b', [1], [], { kind: 'mlp_out' }))).toBe(0);
});

it('counts edges, and classes of keys that are told apart', () => {
  const edge = { side: 'input', value: 1, predicted: 1, low: null, high: null, measured: null };
  const edges = { from: [{ ...edge, other: 'L0H0.ov.1' }], to: [] };
  const role = (q: number) =>
    ({ classes: [{ class: 'name', separation: { q, effect: 0.9 } }] }) as DirectionCard['role'];
  expect(likeness(card('a', [], [], { edges }), card('b', [], [], { edges }))).toBe(1);
  expect(likeness(card('a', [], [], { role: role(0.01) }), card('b', [], [], { role: role(0.01) }))).toBe(1);
  expect(likeness(card('a', [], [], { role: role(0.5) }), card('b', [], [], { role: role(0.01) }))).toBe(0);
});

it('names the most alike first, and none that shares nothing', () => {
  const own = card('a', [1, 2], [3]);
  const others = [own, card('b', [1], []), card('c', [9], []), card('d', [1, 2], [3])];
  expect(mostAlike(own, others, 5).map(({ direction }) => direction)).toEqual(['d', 'b']);
  expect(mostAlike(own, others, 1)).toHaveLength(1);
});
