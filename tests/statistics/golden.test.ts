/** Every statistic against other programs' figures (`tests/golden/statistics/make-statistics.py`). */
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { minimality, partialNecessity, sufficiency } from '../../src/statistics/against-random.js';
import type { Alternative } from '../../src/statistics/alternative.js';
import { atLeast, atMost, logGamma } from '../../src/statistics/binomial.js';
import { corrected, percentiles, ratioOfMeans } from '../../src/statistics/bootstrap.js';
import { agreementOf, angularDistances, silhouette, ward } from '../../src/statistics/clusters.js';
import { equivalence } from '../../src/statistics/equivalence.js';
import { areas } from '../../src/statistics/faithfulness.js';
import { sharedAtLeast } from '../../src/statistics/hypergeometric.js';
import { independence } from '../../src/statistics/independence.js';
import { againstUniform, twoSamples } from '../../src/statistics/kolmogorov-smirnov.js';
import { mannWhitney } from '../../src/statistics/mann-whitney.js';
import { benjaminiHochberg, holm } from '../../src/statistics/multiple-testing.js';
import { normalQuantile, upperTail } from '../../src/statistics/normal.js';
import { groupAgainstRest } from '../../src/statistics/permutation.js';
import { principalAngles } from '../../src/statistics/principal-angles.js';
import { averageRanks, pearson, spearman } from '../../src/statistics/ranks.js';
import { auroc, retrieval } from '../../src/statistics/retrieval.js';

interface Golden {
  upperTail: [number, number][];
  normalQuantile: [number, number][];
  logGamma: [number, number][];
  binomial: { k: number; n: number; p: number; atLeast: number; atMost: number }[];
  hypergeometric: { k: number; n: number; a: number; b: number; atLeast: number }[];
  multiple: Record<'p' | 'holm' | 'benjaminiHochberg', number[]>;
  correlation: Record<'x' | 'y' | 'ranks', number[]> & Record<'pearson' | 'spearman', number>;
  mannWhitney: {
    a: number[];
    b: number[];
    alternative: Alternative;
    u: number;
    p: number;
    effect: number;
  }[];
  againstUniform: { values: number[]; d: number; p: number }[];
  twoSamples: { a: number[]; b: number[]; d: number; p: number }[];
  bootstrap: Record<'numerators' | 'denominators' | 'percentile' | 'corrected', number[]> & {
    draws: number[][];
    ratio: number;
    meanOfRatios: number;
  };
  groupAgainstRest: {
    values: number[];
    group: boolean[];
    strata: number[];
    difference: number;
    greater: number;
    less: number;
    twoSided: number;
  }[];
  equivalence: { circuit: number[]; model: number[]; share: number; ties: number; p: number }[];
  hsic: { x: number[]; y: number[]; bandwidth: number; hsic: number }[];
  minimality: Record<'changes' | 'random' | 'p' | 'holm', number[]>;
  sufficiency: { loss: number; random: number[]; sufficient: number; necessary: number }[];
  areas: { sizes: number[]; f: number[]; cpr: number; cmd: number };
  retrieval: { scores: number[]; truth: boolean[] } & Record<'auroc' | 'precision' | 'recall' | 'f1', number>;
  weighted: { relevant: number[]; auroc: number };
  principalAngles: { a: number[][]; b: number[][]; angles: number[] }[];
  clusters: (Record<'vectors' | 'partitions', number[][]> &
    Record<'classes' | 'silhouettes' | 'adjustedRand' | 'purity', number[]>)[];
}

const golden = JSON.parse(
  readFileSync(new URL('../golden/statistics/statistics.json', import.meta.url), 'utf8'),
) as Golden;

/** Within 1e-6 of each value, relative to it where it is small. */
function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length);
  for (let i = 0; i < found.length; i++)
    expect(Math.abs(found[i]! - expected[i]!), `${found[i]} for ${expected[i]}`).toBeLessThanOrEqual(
      1e-6 * Math.min(1, Math.abs(expected[i]!)) + 1e-300,
    );
}

describe('distributions', () => {
  test.each(['upperTail', 'normalQuantile', 'logGamma'] as const)('%s', (name) => {
    const ours = { upperTail, normalQuantile, logGamma }[name];
    for (const [x, y] of golden[name])
      if (y === 0) expect(ours(x)).toBeCloseTo(0, 12);
      else expectClose([ours(x)], [y]);
  });
  test('binomial tails', () => {
    for (const { k, n, p, ...tails } of golden.binomial)
      expectClose([atLeast(k, n, p), atMost(k, n, p)], [tails.atLeast, tails.atMost]);
  });
  test('hypergeometric tails', () => {
    for (const { k, n, a, b, ...expected } of golden.hypergeometric)
      expectClose([sharedAtLeast(k, { n, a, b })], [expected.atLeast]);
  });
});

test('corrections for many hypotheses', () => {
  expectClose(holm(golden.multiple.p), golden.multiple.holm);
  expectClose(benjaminiHochberg(golden.multiple.p), golden.multiple.benjaminiHochberg);
});

test('ranks and correlations', () => {
  const { x, y, ...expected } = golden.correlation;
  expect(averageRanks(x)).toEqual(expected.ranks);
  expectClose([pearson(x, y)!, spearman(x, y)!], [expected.pearson, expected.spearman]);
});

test('Mann and Whitney, exact and with ties', () => {
  for (const { a, b, alternative, ...expected } of golden.mannWhitney) {
    const { u, effect, p } = mannWhitney(a, b, alternative);
    expectClose([u, effect, p], [expected.u, expected.effect, expected.p]);
  }
});

test('Kolmogorov and Smirnov', () => {
  for (const { values, ...expected } of golden.againstUniform) {
    const { d, p } = againstUniform(values);
    expectClose([d], [expected.d]);
    // SciPy's own figure is good to some 1e-8: it leaves the exact distribution above 140 values.
    expect(p).toBeCloseTo(expected.p, 7);
  }
  for (const { a, b, ...expected } of golden.twoSamples) {
    const { d, p } = twoSamples(a, b);
    expectClose([d, p], [expected.d, expected.p]);
  }
});

test('bootstrap intervals of a distribution that is given', () => {
  const { numerators, denominators, draws, ...expected } = golden.bootstrap;
  const ratio = (indices: readonly number[]) =>
    indices.reduce((sum, i) => sum + numerators[i]!, 0) /
    indices.reduce((sum, i) => sum + denominators[i]!, 0);
  const all = numerators.map((_, i) => i);
  const distribution = draws.map(ratio).sort((a, b) => a - b);
  const without = all.map((left) => ratio(all.filter((i) => i !== left)));
  expectClose(percentiles(distribution, 0.9), expected.percentile);
  expectClose(corrected(distribution, ratio(all), without, 0.9), expected.corrected);
});

test('bootstrap intervals of our own draws, within what chance allows', () => {
  const { numerators, denominators, ...expected } = golden.bootstrap;
  const found = ratioOfMeans(numerators, denominators, { level: 0.9, resamples: 4000, seed: 1 });
  expectClose([found.ratio], [expected.ratio]);
  for (const end of [0, 1]) {
    expect(Math.abs(found.percentile[end]! - expected.percentile[end]!)).toBeLessThan(0.02);
    expect(Math.abs(found.corrected[end]! - expected.corrected[end]!)).toBeLessThan(0.02);
  }
});

describe('a group against the rest of its strata', () => {
  it('counts all arrangements where they are few', () => {
    for (const { values, group, strata, ...expected } of golden.groupAgainstRest) {
      const p = (['greater', 'less', 'two-sided'] as const).map((alternative) => {
        const found = groupAgainstRest(values, group, strata, { alternative, permutations: 1000, seed: 1 });
        expect(found.exact).toBe(true);
        expectClose([found.difference], [expected.difference]);
        return found.p;
      });
      expectClose(p, [expected.greater, expected.less, expected.twoSided]);
    }
  });
  it('draws them where they are many, and comes near', () => {
    for (const { values, group, strata, greater } of golden.groupAgainstRest) {
      const many = { alternative: 'greater' as const, permutations: 39, seed: 1 };
      const runs = Array.from({ length: 100 }, (_, seed) =>
        groupAgainstRest(values, group, strata, { ...many, seed }),
      );
      expect(runs.every(({ exact }) => !exact)).toBe(true);
      const mean = runs.reduce((sum, { p }) => sum + p, 0) / runs.length;
      // (1 + 39 p)/40, and five standard errors of 3,900 draws.
      expect(Math.abs(mean - (1 + 39 * greater) / 40)).toBeLessThan(
        5 * Math.sqrt((greater * (1 - greater)) / 3900) + 1e-9,
      );
    }
  });
});

test('equivalence', () => {
  for (const { circuit, model, ...expected } of golden.equivalence) {
    const { share, ties, p } = equivalence(circuit, model);
    expectClose([share!, p], [expected.share, expected.p]);
    expect(ties).toBe(expected.ties);
  }
});

test('independence', () => {
  for (const { x, y, ...expected } of golden.hsic) {
    const { hsic, bandwidth } = independence(x, y, { permutations: 1, seed: 1 });
    expectClose([hsic, bandwidth], [expected.hsic, expected.bandwidth]);
  }
});

test('minimality, sufficiency, partial necessity', () => {
  const { changes, random, ...expected } = golden.minimality;
  const { members } = minimality(changes, random);
  expectClose(
    members.map(({ p }) => p),
    expected.p,
  );
  expectClose(
    members.map(({ adjusted }) => adjusted),
    expected.holm,
  );
  for (const { loss, random, sufficient, necessary } of golden.sufficiency)
    expectClose([sufficiency(loss, random).p, partialNecessity(loss, random).p], [sufficient, necessary]);
});

test('areas under the curve of faithfulness', () => {
  const { sizes, f, ...expected } = golden.areas;
  const { cpr, cmd } = areas(sizes, f);
  expectClose([cpr, cmd], [expected.cpr, expected.cmd]);
});

test('retrieval', () => {
  const { scores, truth, ...expected } = golden.retrieval;
  const { precision, recall, f1 } = retrieval(
    scores.map((score) => score > 0.5),
    truth.map(Number),
  );
  expectClose([precision, recall, f1], [expected.precision, expected.recall, expected.f1]);
  expectClose([auroc(scores, truth.map(Number))!], [expected.auroc]);
  expectClose([auroc(scores, golden.weighted.relevant)!], [golden.weighted.auroc]);
});

test('principal angles, small ones too', () => {
  // Of the smallest, 4.6e-6, SciPy has five digits: 50 digits of mpmath agree with ours to 1e-11 of it.
  for (const { a, b, angles } of golden.principalAngles)
    for (const [i, angle] of principalAngles(a, b).entries()) expect(angle).toBeCloseTo(angles[i]!, 9);
});

test('clusters: of Ward, how well they separate, and how far they are known classes', () => {
  for (const { vectors, classes, partitions, ...expected } of golden.clusters) {
    const distances = angularDistances(vectors.map((vector) => Float32Array.from(vector)));
    const found = ward(distances, vectors.length, 5);
    expect(found).toHaveLength(5);
    for (const [at, partition] of found.entries())
      expect(agreementOf(partition, partitions[at]!.map(String))).toEqual({ adjusted_rand: 1, purity: 1 });
    // Vectors are in single precision here.
    for (const [at, value] of expected.silhouettes.entries())
      expect(silhouette(distances, found[at + 1]!)).toBeCloseTo(value, 6);
    const agreements = found.map((partition) => agreementOf(partition, classes.map(String)));
    for (const [at, { adjusted_rand, purity }] of agreements.entries()) {
      expect(adjusted_rand).toBeCloseTo(expected.adjustedRand[at]!, 9);
      expect(purity).toBeCloseTo(expected.purity[at]!, 9);
    }
  }
});
