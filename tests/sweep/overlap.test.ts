/** Overlap of circuits: against simulation, another program's figures, and rotations that must not matter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MaskLayout } from '../../src/forward/layout.js';
import type { Architecture } from '../../src/models/architecture.js';
import { Random } from '../../src/random.js';
import { activeClusters } from '../../src/run/clusters.js';
import type { ActiveCluster, Circuit } from '../../src/sweep/circuit.js';
import {
  chanceJaccard,
  jaccard,
  overlaps,
  rankCorrelation,
  squaredCosines,
  total,
} from '../../src/sweep/overlap.js';
import { agreement } from '../../src/sweep/stability.js';

/** Active directions of components, as text: `{a: '0110'}`. */
function circuit(active: Record<string, string>, clusters: Record<string, ActiveCluster[]> = {}): Circuit {
  const marks = Object.entries(active).map(([name, text]): [string, Uint8Array] => [
    name,
    Uint8Array.from(text, Number),
  ]);
  return {
    active: new Map(marks),
    soft: new Map(marks.map(([name, values]) => [name, Float32Array.from(values)])),
    clusters: new Map(Object.entries(clusters)),
  };
}

/** Orthonormal rows: Gram and Schmidt on random ones. */
function basis(rows: number, cols: number, seed: number): Float32Array {
  const random = new Random(seed);
  const out = Float32Array.from({ length: rows * cols }, () => random.normal());
  const row = (i: number) => out.subarray(i * cols, (i + 1) * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) {
      const dot = row(i).reduce((sum, value, c) => sum + value * row(j)[c]!, 0);
      row(i).forEach((value, c) => {
        row(i)[c] = value - dot * row(j)[c]!;
      });
    }
    const norm = Math.hypot(...row(i));
    row(i).forEach((value, c) => {
      row(i)[c] = value / norm;
    });
  }
  return out;
}

const cluster = (first: number, last: number, vectors: Float32Array, rows: number): ActiveCluster => ({
  first,
  last,
  basis: vectors,
  rows,
  cols: vectors.length / rows,
});

describe('overlaps', () => {
  it('counts what both have, component by component', () => {
    const [first, second] = [circuit({ a: '1100', b: '1' }), circuit({ a: '0110', b: '1' })];
    const parts = overlaps(first, second);
    expect(parts.get('a')).toEqual({ n: 4, a: 2, b: 2, shared: 1, expected: 1 });
    expect(parts.get('b')).toEqual({ n: 1, a: 1, b: 1, shared: 1, expected: 1 });
    expect(jaccard(parts.get('a')!)).toBeCloseTo(1 / 3, 12);
    expect(total(parts.values(), false)).toEqual({ n: 5, a: 3, b: 3, shared: 2, expected: 9 / 5 });
    expect(total(parts.values(), true).expected).toBe(2);
  });

  it('is 1 for two empty circuits and for a circuit with itself, 0 for strangers', () => {
    expect(jaccard({ a: 0, b: 0, shared: 0 })).toBe(1);
    expect(jaccard(total(overlaps(circuit({ a: '101' }), circuit({ a: '101' })).values(), false))).toBe(1);
    expect(jaccard(total(overlaps(circuit({ a: '100' }), circuit({ a: '011' })).values(), false))).toBe(0);
  });

  it('expects by chance what random sets share', () => {
    const random = new Random(4);
    const draw = (size: number) => {
      const chosen = new Set(
        random.sample(
          Array.from({ length: 200 }, (_, i) => i),
          size,
        ),
      );
      return circuit({ a: Array.from({ length: 200 }, (_, i) => Number(chosen.has(i))).join('') });
    };
    let [shared, index] = [0, 0];
    const draws = 2000;
    let part = { n: 0, a: 0, b: 0, shared: 0, expected: 0 };
    for (let i = 0; i < draws; i++) {
      part = overlaps(draw(60), draw(40)).get('a')!;
      shared += part.shared / draws;
      index += jaccard(part) / draws;
    }
    // 60·40/200 = 12; its standard deviation over 2,000 draws is 0.06.
    expect(part.expected).toBe(12);
    expect(Math.abs(shared - 12)).toBeLessThan(0.3);
    expect(Math.abs(index - chanceJaccard(part))).toBeLessThan(0.005);
  });
});

describe('clusters of equal σ', () => {
  it('are compared by the spaces they span: any rotation of a cluster is the same', () => {
    const whole = basis(3, 7, 1);
    const angle = 0.7;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const turned = Float32Array.from({ length: 14 }, (_, i) => {
      const [at, row] = [i % 7, Math.floor(i / 7)];
      const [x, y] = [whole[at]!, whole[7 + at]!];
      return row === 0 ? c * x + s * y : c * y - s * x;
    });
    const one = circuit({ a: '01100' }, { a: [cluster(1, 3, whole.subarray(0, 14), 2)] });
    // The other run chose other indices of the cluster, and its decomposition other vectors: the same plane.
    const other = circuit({ a: '00110' }, { a: [cluster(1, 3, turned, 2)] });
    expect(overlaps(one, other).get('a')!.shared).toBeCloseTo(2, 5);
    // A third shares one of two dimensions.
    const third = circuit({ a: '01010' }, { a: [cluster(1, 3, whole.subarray(7, 21), 2)] });
    expect(overlaps(one, third).get('a')!.shared).toBeCloseTo(1, 5);
  });

  it('have Σ cos² between 0 and the smaller dimension, and cos² of the angle for lines', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer(),
        (m, n, seed) => {
          const [a, b] = [cluster(0, 3, basis(m, 6, seed), m), cluster(0, 3, basis(n, 6, seed + 1), n)];
          const shared = squaredCosines(a, b);
          expect(shared).toBeGreaterThanOrEqual(0);
          expect(shared).toBeLessThanOrEqual(Math.min(m, n) + 1e-5);
          expect(squaredCosines(b, a)).toBeCloseTo(shared, 5);
          expect(squaredCosines(a, a)).toBeCloseTo(m, 4);
        },
      ),
    );
    const line = (angle: number) => cluster(0, 1, Float32Array.of(Math.cos(angle), Math.sin(angle)), 1);
    expect(squaredCosines(line(0.2), line(1))).toBeCloseTo(Math.cos(0.8) ** 2, 6);
  });

  it('are found where at least one of their directions is active', () => {
    const architecture: Architecture = {
      family: 'gpt2',
      nLayers: 1,
      dModel: 4,
      nHeads: 1,
      nKvHeads: 1,
      dHead: 4,
      dMlp: 8,
      nVocab: 9,
      nPositions: 9,
      norm: 'layer',
      normEpsilon: 1e-5,
      activation: 'gelu_new',
      gatedMlp: false,
      parallelResidual: false,
      attentionScale: [0.5],
      biases: { q: true, k: true, v: true, o: true, mlpIn: true, mlpGate: false, mlpOut: true },
    };
    const layout = new MaskLayout(architecture, ['qk', 'mlp_out']);
    // Two clusters in each component: 1–2 and, of zeros, the last ones.
    const sigma = Float32Array.of(3, 2, 2, 0, 5, 4, 4, 0);
    const ranges = (...active: number[]) =>
      activeClusters(layout, sigma, Float32Array.from(active)).map(
        ({ component, first, last }) => `${component.name}.${first}-${last}`,
      );
    expect(ranges(1, 0, 1, 0, 1, 0, 0, 1)).toEqual(['L0H0.qk.1-2']);
    expect(ranges(1, 0, 0, 1, 0, 1, 1, 0)).toEqual(['L0.mlp_out.1-2']);
  });
});

it('correlates ranks as pandas does, ties included', () => {
  expect(rankCorrelation([1, 2, 2, 3, 5, 5, 5, 0], [1, 3, 2, 4, 4, 6, 1, 1])).toBeCloseTo(
    0.5949367088607594,
    12,
  );
  expect(rankCorrelation([0.1, 0.9, 0.3, 0.3, 0.7], [0.2, 0.1, 0.1, 0.4, 0.9])).toBeCloseTo(
    -0.07894736842105264,
    12,
  );
  expect(rankCorrelation([1, 2, 3], [10, 20, 90])).toBe(1);
  expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBe(-1);
  expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNull();
});

describe('agreement over seeds', () => {
  const options = { level: 0.95, resamples: 500 };

  it('is the mean over pairs, with how often each direction is there', () => {
    const circuits = ['1100', '1010', '1001'].map((a) => circuit({ a, b: '00' }));
    const found = agreement(circuits, options);
    expect(found).toMatchObject({
      jaccard: 1 / 3,
      jaccard_sd: 0,
      always: 1,
      mostly: 1,
      ever: 4,
      directions: 6,
    });
    expect(found.jaccard_interval).toEqual([1 / 3, 1 / 3]);
    expect(found.components).toHaveLength(1);
    expect(found.components[0]).toMatchObject({ component: 'a', directions: 4 });
    expect(found.components[0]!.active).toBeCloseTo(2, 12);
    expect(found.components[0]!.frequency).toEqual([1, 1 / 3, 1 / 3, 1 / 3]);
    // Two of six: 0, 1 or 2 shared in 6, 8 and 1 of 15 cases; 2·2/4 in the mean within the component.
    expect(found.chance).toBeCloseTo((8 / 3 + 1) / 15, 12);
    expect(found.chance_by_component).toBeCloseTo(1 / 3, 12);
  });

  it('has no interval for two runs, and no say of a component that both leave out', () => {
    const circuits = ['1100', '0000', '0000'].map((a) => circuit({ a, b: '10' }));
    expect(agreement(circuits.slice(0, 2), options).jaccard_interval).toBeNull();
    const { components } = agreement(circuits, options);
    expect(components.map(({ component, jaccard: index }) => [component, index])).toEqual([
      ['a', 0],
      ['b', 1],
    ]);
  });

  it('has rank correlation 0 between independent masks', () => {
    const random = new Random(4);
    const draw = (): Circuit => {
      const soft = Float32Array.from({ length: 4000 }, () => random.uniform() ** 20);
      return {
        active: new Map([['a', Uint8Array.from(soft, (mask) => Number(mask > 0.5))]]),
        soft: new Map([['a', soft]]),
        clusters: new Map(),
      };
    };
    expect(Math.abs(agreement([draw(), draw()], options).rank_correlation!)).toBeLessThan(0.05);
  });

  it('has an interval around the mean where seeds differ', () => {
    const random = new Random(2);
    const circuits = Array.from({ length: 6 }, () =>
      circuit({ a: Array.from({ length: 40 }, () => Number(random.uniform() < 0.5)).join('') }),
    );
    const { jaccard: index, jaccard_interval } = agreement(circuits, options);
    const [low, high] = jaccard_interval!;
    expect(low).toBeLessThan(index);
    expect(high).toBeGreaterThan(index);
  });
});
