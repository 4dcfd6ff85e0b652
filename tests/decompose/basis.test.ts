/** Random bases: the same matrices, written over other directions. */
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { inBasis, inRandomBasis } from '../../src/decompose/basis.js';
import type { Decomposition, Directions } from '../../src/decompose/directions.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import type { Component } from '../../src/models/components.js';
import type { Model } from '../../src/models/weights.js';
import { Random } from '../../src/random.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
let model: Model;
let singular: Decomposition;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), { layers: 2 });
  model = await openForTest(join(folder, 'model'));
  ({ decomposition: singular } = await decomposed(model));
});

const random = (basisSeed: number) =>
  inBasis(singular, { basis: 'random', basisSeed }, model.architecture).then(({ layer }) => layer(1));

/** Entry [r, c] of Σ_k σ_k u_k v_kᵀ. */
function entry({ component: { rank, cols }, u, s, vt }: Directions, r: number, c: number): number {
  let total = 0;
  for (let k = 0; k < rank; k++) total += u[r * rank + k]! * s[k]! * vt[k * cols + c]!;
  return total;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
}

it('sums to the same matrix, over orthonormal v, by descending σ', async () => {
  const before = await singular.layer(1);
  for (const [name, after] of await random(3)) {
    const { rows, cols, rank } = after.component;
    const largest = before.get(name)!.s[0]!;
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < cols; c++)
        expect(Math.abs(entry(after, r, c) - entry(before.get(name)!, r, c))).toBeLessThan(1e-5 * largest);
    const row = (k: number) => after.vt.subarray(k * cols, (k + 1) * cols);
    for (let k = 0; k < rank; k++) {
      if (k > 0) expect(after.s[k]!).toBeLessThanOrEqual(after.s[k - 1]!);
      for (let j = 0; j <= k; j++) expect(dot(row(k), row(j))).toBeCloseTo(Number(j === k), 4);
      const u = Array.from({ length: rows }, (_, r) => after.u[r * rank + k]!);
      if (after.s[k]! > 1e-5 * largest) expect(dot(u, u)).toBeCloseTo(1, 4);
    }
  }
});

it('spreads the singular values: none is larger than the largest, their squares add up to the same', async () => {
  const before = await singular.layer(1);
  for (const [name, { s }] of await random(3)) {
    const own = before.get(name)!.s;
    expect(s[0]!).toBeLessThanOrEqual(own[0]! * (1 + 1e-5));
    if (s.length > 1) expect(s[0]!).toBeLessThan(own[0]!);
    expect(dot(s, s) / dot(own, own)).toBeCloseTo(1, 4);
  }
});

it('leaves null directions as they are, and a matrix of nothing whole', async () => {
  const kernels = await loadKernels();
  const component: Component = {
    name: 'L0.mlp_in',
    kind: 'mlp_in',
    layer: 0,
    rows: 4,
    cols: 3,
    rank: 3,
    fullWidth: 3,
  };
  // Columns 1 and 2 are the same: one direction of three writes nothing.
  const matrix = Float32Array.of(1, 2, 2, 0, 1, 1, 3, 0, 0, 1, -1, -1);
  for (const scale of [1, 0]) {
    const { u, s, vt } = kernels.svd(
      matrix.map((value) => value * scale),
      4,
      3,
    );
    const singular = { component, u, s, vt, cluster: Int32Array.of(0, 1, 2) };
    const turned = inRandomBasis(singular, new Random(1), kernels);
    const from = scale ? 2 : 0;
    expect(turned.vt.subarray(3 * from)).toEqual(vt.subarray(3 * from));
    expect(turned.s.subarray(from)).toEqual(s.subarray(from));
    for (let k = 0; k < from; k++) {
      expect(turned.vt[3 * k + 1]! - turned.vt[3 * k + 2]!).toBeCloseTo(0, 6);
      expect(turned.vt[3 * k]).not.toBeCloseTo(vt[3 * k]!, 3);
    }
  }
});

it('follows its seed, component by component', async () => {
  const [first, again, other] = [await random(3), await random(3), await random(4)];
  for (const [name, { vt }] of first) {
    expect(again.get(name)!.vt).toEqual(vt);
    if (vt.length > 1 && first.get(name)!.component.rank > 1) expect(other.get(name)!.vt).not.toEqual(vt);
  }
});

it('keeps the singular directions where they are asked for, and refuses rotary heads', async () => {
  const svd = { basis: 'svd', basisSeed: 5 } as const;
  expect(await inBasis(singular, svd, model.architecture)).toBe(singular);
  const rotary = { ...model.architecture, rotary: [{ dims: 4, frequencies: [1, 0.1], scale: 1 }] };
  await expect(inBasis(singular, { basis: 'random', basisSeed: 0 }, rotary)).rejects.toThrow(
    '--basis random: is not there for models with rotary positions',
  );
});
