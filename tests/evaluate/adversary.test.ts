/** The attack against what can be known: brute force over corners, models whose worst shares are plain, more work. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type Attack,
  type Attacked,
  ascend,
  attack,
  attackWithin,
  NO_LIMIT,
  worstOf,
} from '../../src/evaluate/adversary.js';
import { missedDirections } from '../../src/evaluate/left-out.js';
import { alongShares, randomShares } from '../../src/evaluate/random-shares.js';
import { putBack } from '../../src/masks/shares.js';
import { Random } from '../../src/random.js';

const OUTPUTS = 5;
const PROMPTS = 6;

/** tanh networks with a mask on each of `width` hidden units: logits = A tanh(B (m ∘ x)). Masks of 1 are the full model. */
function network(width: number, seed: number): Attacked {
  const random = new Random(seed);
  const matrix = (rows: number, cols: number, scale: number) =>
    Array.from({ length: rows }, () => Array.from({ length: cols }, () => scale * random.normal()));
  const mixing = matrix(width, width, 1.5 / Math.sqrt(width));
  const out = matrix(OUTPUTS, width, 4 / Math.sqrt(width));
  const prompts = matrix(PROMPTS, width, 1);
  const hidden = (x: number[], masks: ArrayLike<number>) =>
    mixing.map((row) => Math.tanh(row.reduce((sum, w, i) => sum + w * masks[i]! * x[i]!, 0)));
  const probabilities = (h: number[]) => {
    const logits = out.map((row) => row.reduce((sum, w, i) => sum + w * h[i]!, 0));
    const top = Math.max(...logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0);
    return logits.map((logit) => Math.exp(logit - top) / total);
  };
  const ones = new Float32Array(width).fill(1);
  const full = prompts.map((x) => probabilities(hidden(x, ones)));
  const kl = (masks: Float32Array) =>
    prompts.reduce((sum, x, at) => {
      const q = probabilities(hidden(x, masks));
      return sum + full[at]!.reduce((part, p, i) => part + p * Math.log(p / q[i]!), 0) / PROMPTS;
    }, 0);
  return {
    kl: async (masks) => kl(masks),
    async pull(masks) {
      const gradient = new Float32Array(width);
      prompts.forEach((x, at) => {
        const h = hidden(x, masks);
        const q = probabilities(h);
        const byHidden = h.map(
          (value, j) =>
            (1 - value * value) * out.reduce((sum, row, i) => sum + row[j]! * (q[i]! - full[at]![i]!), 0),
        );
        for (let i = 0; i < width; i++)
          gradient[i]! +=
            (x[i]! * byHidden.reduce((sum, slope, j) => sum + slope * mixing[j]![i]!, 0)) / PROMPTS;
      });
      return { kl: kl(masks), gradient };
    },
  };
}

/** Keeps all but the first `leftOut` of `width` directions. */
const circuitOf = (width: number, leftOut: number) =>
  Float32Array.from({ length: width }, (_, at) => Number(at >= leftOut));

const settings = { ...NO_LIMIT, rate: 0.1, marks: [80], starts: 8, seed: 3 };
const seeds = fc.integer({ min: 0, max: 1e6 });
const isIn = (shares: Float32Array, cap: number) => shares.every((share) => share >= 0 && share <= cap);

it('reaches at least 90 % of the worst corner of 2¹²', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const attacked = network(16, seed);
    const circuit = circuitOf(16, 12);
    let corner = 0;
    for (let bits = 0; bits < 2 ** 12; bits++) {
      const shares = Float32Array.from({ length: 16 }, (_, at) => (bits >> at) & 1);
      corner = Math.max(corner, await attacked.kl(putBack(circuit, shares)));
    }
    const { kl } = worstOf((await attack(attacked, circuit, settings)).flat());
    expect(kl / corner, `seed ${seed}`).toBeGreaterThanOrEqual(0.9);
  }
});

it('never finds less with more steps or more starts', () =>
  fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const attacked = network(8, seed);
      const circuit = circuitOf(8, 6);
      const few = await attack(attacked, circuit, { ...settings, seed, marks: [5, 10], starts: 2 });
      const more = await attack(attacked, circuit, { ...settings, seed, marks: [5, 10, 30], starts: 4 });
      // The others are found again, and more beside them.
      few.forEach((ascent, start) => {
        expect(more[start]!.slice(0, 2)).toEqual(ascent);
      });
      for (const ascent of more) {
        const kls = ascent.map(({ kl }) => kl);
        expect(kls).toEqual([...kls].sort((a, b) => a - b));
        for (const found of ascent) {
          expect(isIn(found.shares, 1)).toBe(true);
          expect(await attacked.kl(putBack(circuit, found.shares))).toBe(found.kl);
        }
      }
    }),
    { numRuns: 30 },
  ));

it('keeps to its budgets, and a larger one never gives less', () =>
  fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const attacked = network(10, seed);
      const circuit = circuitOf(10, 8);
      const how = { marks: [15], rate: 0.1, starts: 2, seed };
      const few = [1, 2, 4].map((most) => ({ most, cap: 1 }));
      const byNumber = await attackWithin(attacked, circuit, few, how);
      byNumber.forEach(({ shares }, at) => {
        expect(shares.filter((share) => share > 0).length).toBeLessThanOrEqual(few[at]!.most);
      });
      const caps = [0.05, 0.25, 1].map((cap) => ({ most: null, cap }));
      const byCap = await attackWithin(attacked, circuit, caps, how);
      byCap.forEach(({ shares }, at) => {
        expect(isIn(shares, Math.fround(caps[at]!.cap))).toBe(true);
      });
      for (const found of [byNumber, byCap]) {
        const kls = found.map(({ kl }) => kl);
        expect(kls).toEqual([...kls].sort((a, b) => a - b));
        expect(kls[0]).toBeGreaterThanOrEqual(await attacked.kl(circuit));
      }
    }),
    { numRuns: 30 },
  ));

it('does not touch what the circuit keeps', async () => {
  const circuit = circuitOf(8, 5);
  const start = new Float32Array(8).fill(0.5);
  const [found] = await ascend(network(8, 1), circuit, start, settings);
  expect(Array.from(found!.shares.subarray(5))).toEqual([0.5, 0.5, 0.5]);
});

it('takes the KL apart into parts that add up, and measures what each share alone is worth', async () => {
  const attacked = network(12, 4);
  const circuit = circuitOf(12, 9);
  const worst: Attack = worstOf((await attack(attacked, circuit, settings)).flat());
  const missed = await missedDirections(attacked, circuit, worst.shares, { points: 200, exactly: 3 });
  const parts = missed.reduce((sum, { part }) => sum + part, 0);
  expect(parts).toBeCloseTo(worst.kl - (await attacked.kl(circuit)), 3);
  expect(missed.map(({ part }) => part)).toEqual(missed.map(({ part }) => part).sort((a, b) => b - a));
  for (const [at, { direction, returns }] of missed.entries()) {
    const without = worst.shares.slice();
    without[direction] = 0;
    const expected = worst.kl - (await attacked.kl(putBack(circuit, without)));
    if (at < 3) expect(returns).toBeCloseTo(expected, 12);
    else expect(returns).toBeNull();
  }
});

it('starts a fourth time from the worst of the random shares, where some were drawn', async () => {
  const attacked = network(8, 6);
  const circuit = circuitOf(8, 6);
  const worstDrawn = new Float32Array(8).fill(0.25);
  const how = { ...settings, marks: [0, 5], starts: 5 };
  const found = await attack(attacked, circuit, { ...how, worstDrawn });
  expect(found[3]![0]!.shares).toEqual(worstDrawn);
  // The others are what they are without.
  const others = await attack(attacked, circuit, how);
  expect(found.toSpliced(3, 1)).toEqual(others.toSpliced(3, 1));
});

it('draws random shares from a seed, and runs along shares from the circuit to their end', async () => {
  const attacked = network(8, 2);
  const circuit = circuitOf(8, 6);
  for (const kind of ['uniform', 'bernoulli'] as const) {
    const once = await randomShares(attacked, circuit, kind, { draws: 5, seed: 1 });
    expect(await randomShares(attacked, circuit, kind, { draws: 5, seed: 1 })).toEqual(once);
    expect(await randomShares(attacked, circuit, kind, { draws: 5, seed: 2 })).not.toEqual(once);
    expect(once.figures.worst).toBeGreaterThan(once.figures.mean);
    expect(await attacked.kl(putBack(circuit, once.worst.shares))).toBe(once.figures.worst);
  }
  const ones = new Float32Array(8).fill(1);
  const curve = await alongShares(attacked, circuit, ones, 4);
  expect(curve.map(({ part }) => part)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  expect(curve[0]!.kl).toBe(await attacked.kl(circuit));
  // All put back is the full model.
  expect(curve[4]!.kl).toBeCloseTo(0, 10);
});
