import { describe, expect, it } from 'vitest';
import { allocateThinSvd, clusterRanges, clusters } from '../../src/kernels/thin-svd.js';

describe('clusters', () => {
  it('joins neighbours whose relative gap is below 1e-4', () => {
    expect([...clusters(Float32Array.of(2, 1, 0.99995, 0.9, 0.5))]).toEqual([0, 1, 1, 2, 3]);
  });

  it('measures the gap against the larger of the two, at any scale', () => {
    for (const scale of [1e-30, 1, 1e30])
      expect([...clusters(Float32Array.of(1, 0.99, 0.98).map((x) => x * scale))]).toEqual([0, 1, 2]);
  });

  it('chains: a slow slope is one cluster', () => {
    const s = Float32Array.from({ length: 50 }, (_, k) => 1 - 5e-5 * k);
    expect(new Set(clusters(s)).size).toBe(1);
  });

  it('puts zeros together, apart from the rest', () => {
    expect([...clusters(Float32Array.of(1, 1e-20, 0, 0))]).toEqual([0, 1, 2, 2]);
    expect([...clusters(new Float32Array(3))]).toEqual([0, 0, 0]);
  });

  it('takes another gap', () => {
    expect([...clusters(Float32Array.of(1, 0.95, 0.5), 0.1)]).toEqual([0, 0, 1]);
  });

  it('has nothing to say about no directions', () => {
    expect(clusters(new Float32Array(0)).length).toBe(0);
  });
});

describe('clusterRanges', () => {
  it('counts clusters of several and what is in them', () => {
    expect(clusterRanges(Int32Array.of(0, 1, 1, 2, 3, 3, 3))).toEqual([
      { first: 1, last: 2 },
      { first: 4, last: 6 },
    ]);
    expect(clusterRanges(Int32Array.of(0, 1, 2))).toEqual([]);
    expect(clusterRanges(new Int32Array(4))).toEqual([{ first: 0, last: 3 }]);
  });
});

describe('allocateThinSvd', () => {
  it('has the lengths of the thin shape', () => {
    const { u, s, vt } = allocateThinSvd(5, 7, 3);
    expect([u.length, s.length, vt.length]).toEqual([15, 3, 21]);
  });
});
