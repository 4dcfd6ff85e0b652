/** Aligned subspaces: against masks, against finite differences, and on a model whose subspace is known. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { spanOf } from '../../src/decompose/turned-basis.js';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import {
  alignSubspaces,
  klOfSubspaces,
  type Subspace,
  subspaceGradients,
} from '../../src/masks/aligned-subspaces.js';
import { totalKl } from '../../src/masks/total-kl.js';
import { Random } from '../../src/random.js';
import { orthonormal, principalAngles } from '../../src/statistics/principal-angles.js';
import { availableEngines } from '../support/engines.js';
import { type OpenPlanted, openPlanted } from '../support/planted.js';

let engine: Engine;
let copy: OpenPlanted;
beforeAll(async () => {
  engine = await openEngine({ engine: availableEngines()[0]! });
  copy = await openPlanted(engine, { mechanism: 'copy', seed: 3, terms: 0 }, { prompts: 64 });
});

const axis = (rank: number, at: number) => Float64Array.from({ length: rank }, (_, k) => Number(k === at));
const componentOf = (name: string) =>
  copy.masked.layout.components.find((component) => component.name === name)!;

it('keeps what masks of singular directions keep', async () => {
  const { masked, prepared } = copy;
  const { layout } = masked;
  for (const component of layout.components) {
    const masks = new Float32Array(layout.size).fill(1);
    const { start, length } = layout.of(component);
    masks.fill(0, start + 2, start + length);
    const kl = await klOfSubspaces(prepared, [
      { component, rows: [axis(component.rank, 0), axis(component.rank, 1)] },
    ]);
    expect(kl, component.name).toBeCloseTo((await totalKl(prepared, masks)) / prepared.length, 4);
  }
});

it('has the gradient of finite differences, of several components at once', async () => {
  const { masked, prepared } = copy;
  const random = new Random(5);
  const subspaces = masked.layout.components
    .filter(({ kind }) => kind !== 'qk')
    .map((component): Subspace => {
      const rows = Array.from({ length: 2 }, () =>
        Float64Array.from({ length: component.rank }, () => random.normal()),
      );
      return { component, rows: orthonormal(rows) };
    });
  const indices = [...prepared.pairs.keys()];
  const before = tf.memory().numTensors;
  const gradients = await subspaceGradients(prepared, indices, subspaces, 512, undefined);
  expect(tf.memory().numTensors).toBe(before);
  const largest = Math.max(...gradients.flat().flatMap((row) => [...row].map(Math.abs)));
  for (const [at, { component, rows }] of subspaces.entries()) {
    const k = random.integer(Math.min(6, component.rank));
    const side = async (by: number) => {
      const moved = rows.map((row) => row.slice());
      moved[1]![k]! += by;
      const others = subspaces.map((one, i) => (i === at ? { component, rows: moved } : one));
      return klOfSubspaces(prepared, others);
    };
    const slope = ((await side(5e-3)) - (await side(-5e-3))) / 1e-2;
    expect(Math.abs(gradients[at]![1]![k]! - slope), component.name).toBeLessThan(0.02 * largest);
  }
});

it('finds the subspace of a planted head, from a random start', async () => {
  const { masked, prepared, directions, truth } = copy;
  const carrying = [...truth].find(
    ([name, { relevant }]) => name.endsWith('ov') && relevant.some((share) => share > 0.5),
  )!;
  const component = componentOf(carrying[0]);
  const planted = [...carrying[1].relevant.keys()].filter((k) => carrying[1].relevant[k]! > 0.5);
  const span = spanOf(directions.get(component.name)!);
  expect(span).toBeGreaterThan(planted.length);
  // Words that never come are copied in the same matrix. With fewer dimensions than words each of them counts.
  const size = 3;
  const options = {
    start: 'random',
    ...{ steps: 120, batchSize: 32, rate: 0.3, maxTokens: 512 },
    validate: (subspaces: readonly Subspace[]) => klOfSubspaces(prepared, subspaces),
  } as const;
  const { subspaces, kl: least } = await alignSubspaces(
    prepared,
    [{ component, size, span }],
    options,
    new Random(1),
  );
  const [found] = subspaces;
  const some = planted.map((k) => axis(component.rank, k));
  const angles = principalAngles(found!.rows, some);
  expect(Math.max(...angles)).toBeLessThan(0.05);
  const kl = (rows: readonly Float64Array[]) => klOfSubspaces(prepared, [{ component, rows }]);
  expect(await kl(found!.rows)).toBeCloseTo(least, 5);
  expect(least).toBeLessThan(0.25 * (await kl([])));
  expect(least).toBeLessThan(0.5 * (await kl(some.slice(0, size))));
  for (const [i, row] of found!.rows.entries())
    for (const [j, other] of found!.rows.entries())
      expect(row.reduce((sum, value, k) => sum + value * other[k]!, 0)).toBeCloseTo(Number(i === j), 10);
  masked.dispose();
});
