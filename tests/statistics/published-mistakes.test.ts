/** Mistakes of published programs and papers, each of which would fail one of these. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { minimality } from '../../src/statistics/against-random.js';
import { ratioOfMeans } from '../../src/statistics/bootstrap.js';
import { equivalence } from '../../src/statistics/equivalence.js';
import { areas, faithfulness, itemsAt, ranked, SIZES } from '../../src/statistics/faithfulness.js';
import { independence } from '../../src/statistics/independence.js';
import { groupAgainstRest } from '../../src/statistics/permutation.js';

const settings = { level: 0.95, resamples: 200, seed: 1 };

it('equivalence counts prompts: a mean difference, however large, is no share', () => {
  const model = new Array(100).fill(0);
  // Half of the prompts a little higher, half a little lower, and one of them by far.
  const circuit = model.map((_, i) => (i === 0 ? 1e6 : i % 2 === 0 ? 0.01 : -0.01));
  expect(equivalence(circuit, model)).toMatchObject({ share: 0.5, p: expect.closeTo(1, 9) });
  // All of them higher, by next to nothing.
  expect(
    equivalence(
      model.map(() => 1e-9),
      model,
    ).p,
  ).toBeLessThan(1e-20);
});

it('equivalence drops exact ties and counts them: they are no prompts on which the circuit scores lower', () => {
  const model = new Array(100).fill(0);
  const circuit = model.map((_, i) => (i < 40 ? 0 : i % 2 === 0 ? 1 : -1));
  expect(equivalence(circuit, model)).toMatchObject({
    compared: 60,
    ties: 40,
    share: 0.5,
    p: expect.closeTo(1, 9),
  });
  expect(equivalence(model, model)).toEqual({ compared: 0, ties: 100, share: null, p: 1 });
});

it('minimality corrects for the number of members', () => {
  const random = Array.from({ length: 100 }, (_, i) => i);
  // Above 83 of the 100: p = .021 alone, no finding among twenty.
  const { members, superfluous } = minimality(new Array(20).fill(82.5), random);
  expect(members[0]!.p).toBeLessThan(0.05);
  expect(superfluous).toEqual([]);
  expect(minimality([82.5], random).superfluous).toEqual([0]);
  expect(minimality([99.5, 10, 99.5], random).superfluous).toEqual([1]);
});

it('faithfulness is a ratio of means, which a denominator near 0 does not decide', () => {
  const model = [1, 1, 1, 1e-9];
  const circuit = [0.9, 0.9, 0.9, 1];
  const { f, nearZero } = faithfulness({ circuit, model, empty: [0, 0, 0, 0] }, settings);
  expect(f).toBeCloseTo(3.7 / 3, 8);
  expect(nearZero).toBe(0.25);
  expect(ratioOfMeans(circuit, model, settings).ratio).toBe(f);
});

it('what is replaced counts: faithfulness is over the empty circuit, not over 0', () => {
  const { f } = faithfulness({ circuit: [3, 5], model: [4, 8], empty: [2, 2] }, settings);
  expect(f).toBe(0.5);
});

it('areas are linear in k, from .001 on, and add up to .999 if and only if f never exceeds 1', () => {
  expect(areas(SIZES, new Array(10).fill(1))).toEqual({ cpr: expect.closeTo(0.999, 12), cmd: 0 });
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -2, max: 3, noNaN: true }), { minLength: 10, maxLength: 10 }),
      (f) => {
        const { cpr, cmd } = areas(SIZES, f);
        // Of each f above 1 both areas count the excess; the smallest weight of a size is .0005.
        const excess = Math.max(...f.map((value) => value - 1));
        if (excess <= 0) expect(cpr + cmd).toBeCloseTo(0.999, 9);
        else expect(cpr + cmd).toBeGreaterThan(0.999 + 2 * 0.0005 * excess - 1e-9);
      },
    ),
  );
});

it('names the ranking: signed and absolute order differ, and so do the areas', () => {
  const scores = [0.1, -5, 3, 0];
  expect(ranked(scores, 'signed')).toEqual([2, 0, 3, 1]);
  expect(ranked(scores, 'absolute')).toEqual([1, 2, 0, 3]);
  expect(ranked([1, 1, 1], 'absolute', [0, -2, 1])).toEqual([1, 2, 0]);
  // Items that push the metric by their score: keeping what pushes down first overshoots on the other side.
  const total = scores.reduce((sum, score) => sum + score, 0);
  const curve = (order: number[]) =>
    [0.25, 0.5, 0.75, 1].map((k) =>
      order.slice(0, itemsAt(k, 4)).reduce((sum, i) => sum + scores[i]! / total, 0),
    );
  const cmd = (order: number[]) => areas([0.25, 0.5, 0.75, 1], curve(order)).cmd;
  expect(cmd(ranked(scores, 'signed'))).not.toBeCloseTo(cmd(ranked(scores, 'absolute')), 2);
});

it('keeps ⌊k·n⌋ items, whatever binary fractions make of k·n', () => {
  expect(SIZES.map((k) => itemsAt(k, 1000))).toEqual([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]);
  expect(itemsAt(0.1, 39)).toBe(3);
  expect(itemsAt(0.001, 780)).toBe(0);
});

it('independence sees what a correlation does not, and one bandwidth serves both sides', () => {
  const x = Array.from({ length: 60 }, (_, i) => i / 30 - 1);
  const y = x.map((value) => value ** 2);
  const options = { permutations: 199, seed: 1 };
  expect(independence(x, y, options).p).toBeLessThan(0.01);
  expect(independence(x, y, options).bandwidth).toBeCloseTo(independence(y, x, options).bandwidth, 12);
  // Constant scores say nothing.
  expect(independence(new Array(20).fill(1), x.slice(0, 20), options).p).toBe(1);
});

it('no drawn p-value is 0, however extreme the group', () => {
  const values = Array.from({ length: 60 }, (_, i) => (i < 20 ? 100 : 0));
  const group = values.map((value) => value > 0);
  const { p, exact } = groupAgainstRest(values, group, new Array(60).fill('all'), {
    alternative: 'greater',
    permutations: 99,
    seed: 1,
  });
  expect({ p, exact }).toEqual({ p: 0.01, exact: false });
});

it('a group that only sits in better layers is no better', () => {
  const layers = Array.from({ length: 48 }, (_, i) => Math.floor(i / 12));
  // All members are in layers 2 and 3, where every head has more.
  const group = layers.map((layer, i) => layer >= 2 && i % 3 === 0);
  const values = layers.map((layer, i) => 10 * layer + (i % 2));
  const matched = groupAgainstRest(values, group, layers, { permutations: 999, seed: 1 });
  const unmatched = groupAgainstRest(values, group, new Array(48).fill(0), { permutations: 999, seed: 1 });
  expect(matched.p).toBeGreaterThan(0.5);
  expect(unmatched.p).toBeLessThan(0.01);
});

it('members without anybody to be compared with are left out', () => {
  const settings = { permutations: 999, seed: 1 };
  expect(groupAgainstRest([1, 2, 3, 9], [true, true, false, true], [0, 0, 0, 1], settings).members).toBe(2);
  expect(groupAgainstRest([1, 2], [true, true], [0, 0], settings)).toEqual({
    difference: 0,
    effect: null,
    p: 1,
    exact: true,
    members: 0,
  });
});
