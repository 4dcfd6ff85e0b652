/** Where the null hypothesis is true, p-values are uniform: Kolmogorov and Smirnov over 1,000 simulations of each test. */
import { describe, expect, it, test } from 'vitest';
import { Random } from '../../src/random.js';
import { minimality, partialNecessity, sufficiency } from '../../src/statistics/against-random.js';
import { atLeast, atMost } from '../../src/statistics/binomial.js';
import { bootstrap } from '../../src/statistics/bootstrap.js';
import { equivalence } from '../../src/statistics/equivalence.js';
import { sharedAtLeast } from '../../src/statistics/hypergeometric.js';
import { independence } from '../../src/statistics/independence.js';
import { againstUniform, twoSamples } from '../../src/statistics/kolmogorov-smirnov.js';
import { mannWhitney } from '../../src/statistics/mann-whitney.js';
import { groupAgainstRest } from '../../src/statistics/permutation.js';

const SIMULATIONS = 1000;
/** A false alarm once in a thousand seeds; the seed is fixed. */
const ALARM = 1e-3;

const normals = (random: Random, n: number) => Array.from({ length: n }, () => random.normal());

/** p-values of simulations, each with its own stream. */
function simulate(p: (random: Random, simulation: number) => number): number[] {
  return Array.from({ length: SIMULATIONS }, (_, i) => p(new Random(i).fork('null'), i));
}

/** Where the next larger p is `next`, so that a p between both, drawn uniformly, is uniform over all. */
const between = (random: Random, p: number, next: number) => next + (p - next) * random.uniform();

describe('uniform', () => {
  test.each<[string, (random: Random, simulation: number) => number]>([
    ['Mann and Whitney', (random) => mannWhitney(normals(random, 60), normals(random, 50)).p],
    [
      'Mann and Whitney, greater',
      (random) => mannWhitney(normals(random, 60), normals(random, 50), 'greater').p,
    ],
    [
      'Kolmogorov and Smirnov, one sample',
      (random) => againstUniform(Array.from({ length: 30 }, () => random.uniform())).p,
    ],
    [
      'Kolmogorov and Smirnov, two samples',
      (random) => twoSamples(normals(random, 101), normals(random, 97)).p,
    ],
    [
      'independence',
      (random, seed) => {
        const [x, y] = [normals(random, 16), normals(random, 16)];
        // Any function of x and of y is as independent as they are.
        return independence(
          x,
          y.map((value) => value ** 2),
          { permutations: 199, seed },
        ).p;
      },
    ],
    [
      'a group against the rest, matched by stratum',
      (random, seed) => {
        // Strata differ in mean and in how many belong to the group: unmatched, this would be far from uniform.
        const strata = Array.from({ length: 40 }, (_, i) => i % 4);
        const group = strata.map((stratum, i) => i < 8 + 8 * stratum);
        const values = strata.map((stratum) => 3 * stratum + random.normal());
        return groupAgainstRest(values, group, strata, { permutations: 199, seed, alternative: 'greater' }).p;
      },
    ],
    [
      'sufficiency',
      (random) => {
        const { beaten, of, p } = sufficiency(
          0.1,
          Array.from({ length: 100 }, () => random.uniform()),
        );
        return between(random, p, atLeast(beaten + 1, of, 0.9));
      },
    ],
    [
      'partial necessity',
      (random) => {
        const { beaten, of, p } = partialNecessity(
          0.9,
          Array.from({ length: 100 }, () => random.uniform()),
        );
        return between(random, p, atLeast(beaten + 1, of, 0.9));
      },
    ],
    [
      'minimality, each member',
      (random) => {
        const { members } = minimality(
          [0.9],
          Array.from({ length: 100 }, () => random.uniform()),
        );
        const { beaten, of, p } = members[0]!;
        return between(random, p, atMost(beaten - 1, of, 0.9));
      },
    ],
    [
      'directions that two circuits share',
      (random) => {
        const sizes = { n: 780, a: 76, b: 80 };
        const taken = new Set(Array.from({ length: sizes.n }, (_, at) => at));
        let shared = 0;
        // b of n, without putting back; the first a are the other circuit's.
        for (let drawn = 0; drawn < sizes.b; drawn++) {
          const left = [...taken];
          const at = left[random.integer(left.length)]!;
          taken.delete(at);
          if (at < sizes.a) shared++;
        }
        return between(random, sharedAtLeast(shared, sizes), sharedAtLeast(shared + 1, sizes));
      },
    ],
    [
      'equivalence, at the border of its null hypothesis',
      (random) => {
        const n = 101;
        const higher = Array.from({ length: n }, () => random.uniform() < 0.6);
        const p = (count: number) =>
          equivalence(
            Array.from({ length: n }, (_, i) => (i < count ? 1 : -1)),
            new Array(n).fill(0),
          ).p;
        const count = higher.filter(Boolean).length;
        const further = Math.max(count, n - count) + 1;
        return between(random, p(count), further > n ? 0 : p(further));
      },
    ],
  ])('%s', (_, p) => {
    expect(againstUniform(simulate(p)).p).toBeGreaterThan(ALARM);
  });
});

it('sees what is not uniform', () => {
  const mean = (random: Random) => normals(random, 20).reduce((sum, value) => sum + value, 0);
  expect(againstUniform(simulate((random) => Math.min(1, Math.abs(mean(random)) / 10))).p).toBeLessThan(
    ALARM,
  );
});

test('of nine needed members, any is called superfluous no more often than alpha allows', () => {
  const alarms = simulate((random) => {
    // Each member matters more than nine tenths of random ones: the border of the null hypothesis.
    const random100 = Array.from({ length: 100 }, () => random.uniform());
    return minimality(new Array(9).fill(0.9), random100).superfluous.length > 0 ? 1 : 0;
  }).reduce((sum, alarm) => sum + alarm, 0);
  expect(alarms / SIMULATIONS).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / SIMULATIONS));
});

test('bootstrap intervals hold what they should nine times in ten, skewed data too', () => {
  const held = { percentile: 0, corrected: 0 };
  for (let seed = 0; seed < 500; seed++) {
    const random = new Random(seed).fork('covered');
    const values = Array.from({ length: 40 }, () => -Math.log(1 - random.uniform()));
    const mean = (indices: ArrayLike<number>) => {
      let total = 0;
      for (let i = 0; i < indices.length; i++) total += values[indices[i]!]!;
      return total / indices.length;
    };
    const found = bootstrap(40, mean, { level: 0.9, resamples: 400, seed });
    for (const kind of ['percentile', 'corrected'] as const)
      if (found[kind][0] <= 1 && 1 <= found[kind][1]) held[kind]++;
  }
  for (const count of Object.values(held)) expect(Math.abs(count / 500 - 0.9)).toBeLessThan(0.06);
});
