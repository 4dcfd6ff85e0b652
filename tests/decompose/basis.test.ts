/** Other bases: the same matrices, written over other directions. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SVD_BASIS } from '../../src/decompose/basis.js';
import type { Decomposition, Directions } from '../../src/decompose/directions.js';
import { augmentedHead, factorsOf } from '../../src/decompose/factors.js';
import { checkNames, loadedLayer } from '../../src/decompose/loaded-basis.js';
import { inAlignedBasis, inPrincipalBasis, inRandomBasis, spanOf } from '../../src/decompose/turned-basis.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { writeSafetensors } from '../../src/formats/safetensors-write.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { type Component, listComponents } from '../../src/models/components.js';
import type { Model } from '../../src/models/weights.js';
import { Random } from '../../src/random.js';
import { BASES } from '../../src/settings/choices.js';
import { orthonormal, principalAngles } from '../../src/statistics/principal-angles.js';
import { decomposed } from '../support/decomposed.js';
import { ALL_FAMILIES, openOneLayer } from '../support/family-model.js';
import { openForTest } from '../support/open-model.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
process.env.ORTHOSCOPE_CACHE = join(folder, 'cache');
const kernels = await loadKernels();
let model: Model;
let singular: Decomposition;

beforeAll(async () => {
  await writeRandomGpt2(join(folder, 'model'), { layers: 2 });
  model = await openForTest(join(folder, 'model'));
  ({ decomposition: singular } = await decomposed(model));
});

const random = async (basisSeed: number) => {
  const { decomposition } = await decomposed(model, { ...SVD_BASIS, basis: 'random', basisSeed });
  return decomposition.layer(1);
};

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

it('has a subspace first and the rest of the matrix behind it, each by descending σ', async () => {
  const random = new Random(2);
  for (const [name, before] of await singular.layer(1)) {
    const { component, u, vt } = before;
    const { rows, cols, rank, kind } = component;
    const span = spanOf(before);
    const subspace = orthonormal(
      [0, 1].map(() => Float64Array.from({ length: rank }, (_, k) => (k < span ? random.normal() : 0))),
    );
    const after = inAlignedBasis(before, subspace, kernels);
    for (let r = 0; r < rows; r += 3)
      for (let c = 0; c < cols; c += 2)
        expect(Math.abs(entry(after, r, c) - entry(before, r, c)), name).toBeLessThan(1e-5 * before.s[0]!);
    // Of QK what queries read, of all others what is written.
    const side = ({ u, vt }: Pick<Directions, 'u' | 'vt'>, k: number) =>
      kind === 'qk'
        ? Float64Array.from({ length: rows }, (_, r) => u[r * rank + k]!)
        : Float64Array.from(vt.subarray(k * cols, (k + 1) * cols));
    const wanted = subspace.map((row) => {
      const sum = new Float64Array(kind === 'qk' ? rows : cols);
      for (let k = 0; k < rank; k++) side({ u, vt }, k).forEach((value, i) => (sum[i]! += row[k]! * value));
      return sum;
    });
    for (const angle of principalAngles([side(after, 0), side(after, 1)], wanted))
      expect(angle, name).toBeLessThan(1e-3);
    for (let k = 1; k < span; k++)
      if (k !== 2) expect(after.s[k]!, name).toBeLessThanOrEqual(after.s[k - 1]! * (1 + 1e-5));
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
    const singular = { component, u, s, vt };
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

describe('every basis of every family', () => {
  const OTHERS = BASES.filter((basis) => basis !== 'svd');

  it('adds up to the matrix, through the head as well', async () => {
    for (const family of ALL_FAMILIES) {
      const one = await openOneLayer(folder, family);
      const { architecture } = one;
      const weights = await one.layer(0);
      for (const basis of OTHERS) {
        const { decomposition } = await decomposed(one, { ...SVD_BASIS, basis, basisSeed: 2 });
        for (const [name, own] of await decomposition.layer(0)) {
          const { component, u, s, vt, head } = own;
          const { kind, rows, cols, rank } = component;
          const { a, b, inner } = factorsOf(component, weights, architecture, one.qkSplit);
          const scaled = u.map((value, at) => value * s[at % rank]!);
          const sum = kernels.gemm(scaled, vt, { rows, inner: rank, cols });
          const where = `${family} ${basis} ${name}`;
          if (kind === 'qk' && architecture.rotary) {
            const query = augmentedHead(weights.q, component.head!, architecture.dHead);
            const back =
              head ??
              kernels.gemm(u, query, { rows: rank, inner: rows, cols: architecture.dHead, transposeA: true });
            const again = kernels.gemm(u, back, { rows, inner: rank, cols: architecture.dHead });
            expect(apart(again, query), where).toBeLessThan(1e-5);
            continue;
          }
          expect(apart(sum, b ? kernels.gemm(a, b, { rows, inner, cols }) : a), where).toBeLessThan(1e-5);
          if (head)
            expect(apart(kernels.gemm(a, head, { rows, inner, cols: rank }), scaled), where).toBeLessThan(
              1e-4,
            );
        }
      }
    }
  });
});

/** Largest difference, as a share of the largest entry. */
function apart(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / Math.max(...b.map(Math.abs));
}

it('takes neurons and head dimensions in their own order', async () => {
  const { decomposition } = await decomposed(model, { ...SVD_BASIS, basis: 'coordinates' });
  const { dMlp, dHead } = model.architecture;
  const layer = await decomposition.layer(1);
  const [into, out] = [layer.get('L1.mlp_in')!, layer.get('L1.mlp_out')!];
  expect([into.component.rank, out.component.rank]).toEqual([dMlp, dMlp + 1]);
  for (let k = 0; k < dMlp; k++) {
    expect(into.vt[k * dMlp + k]).toBeCloseTo(1, 6);
    expect(out.u[(k + 1) * (dMlp + 1) + k + 1]).toBeCloseTo(1, 6);
  }
  expect(layer.get('L1H0.qk')!.component.rank).toBe(dHead);
  expect(layer.get('L1H0.ov')!.component.rank).toBe(dHead + 1);
});

it('puts what varies most first, and what does not vary last', async () => {
  const { decomposition } = await decomposed(model);
  const own = (await decomposition.layer(1)).get('L1.mlp_in')!;
  const { rank, cols } = own.component;
  // What is written varies along v_2, thrice as much along v_0, and nowhere else.
  const covariance = new Float64Array(rank * rank);
  covariance[2 * rank + 2] = 1;
  covariance[0] = 9;
  const { vt } = inPrincipalBasis(own, covariance, kernels);
  for (const [k, from] of [0, 2].entries()) {
    const along = dot(vt.subarray(k * cols, (k + 1) * cols), own.vt.subarray(from * cols, (from + 1) * cols));
    expect(Math.abs(along)).toBeCloseTo(1, 5);
  }
});

it('says what of a file of directions cannot be used', async () => {
  const { decomposition } = await decomposed(model);
  const layer = await decomposition.layer(1);
  const { rows, cols } = layer.get('L1H0.ov')!.component;
  const file = join(folder, 'own.safetensors');
  const load = async (tensors: Record<string, number[]>) => {
    const entries = Object.entries(tensors).map(([name, shape]) => {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i));
      return [name, { dtype: 'F32' as const, shape, data }] as const;
    });
    await writeSafetensors(file, new Map(entries));
    const source = await openSafetensors(file);
    try {
      checkNames(source, listComponents(model.architecture));
      return await loadedLayer(source, model, 1, layer, kernels);
    } finally {
      await source.close();
    }
  };
  await expect(load({ 'L9.mlp_in.u': [2, 2] })).rejects.toThrow('"L9.mlp_in.u" is no component\'s');
  await expect(load({ 'L1H0.ov.u': [rows, 2] })).rejects.toThrow('has "L1H0.ov.u" and no "L1H0.ov.vt"');
  await expect(load({ 'L1H0.ov.u': [rows, 2], 'L1H0.ov.vt': [3, cols] })).rejects.toThrow(
    `"L1H0.ov.vt" has shape [3,${cols}]; it must be [2,${cols}]`,
  );
  await expect(load({ 'L1H0.ov.u': [rows, 2], 'L1H0.ov.vt': [2, cols] })).rejects.toThrow(
    /of "L1H0.ov.u" lies outside of what the head's values reach/,
  );
  const n = layer.get('L1.mlp_in')!.component.rank;
  const fits = await load({
    'L1.mlp_in.u': [layer.get('L1.mlp_in')!.component.rows, 1],
    'L1.mlp_in.vt': [1, layer.get('L1.mlp_in')!.component.cols],
  });
  // The direction, and what it leaves.
  expect(fits.find(({ component }) => component.name === 'L1.mlp_in')!.component.rank).toBe(1 + n);
});
