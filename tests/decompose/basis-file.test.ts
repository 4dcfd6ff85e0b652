/** Files of directions: what is written for `--basis loaded` is read back as the same directions, and keeps what subspaces keep. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { basisTensors } from '../../src/decompose/basis-file.js';
import type { Directions } from '../../src/decompose/directions.js';
import { augmentedHead } from '../../src/decompose/factors.js';
import { checkNames, loadedLayer } from '../../src/decompose/loaded-basis.js';
import { inAlignedBasis, spanOf } from '../../src/decompose/turned-basis.js';
import { openEngine } from '../../src/engine/engine.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { writeSafetensors } from '../../src/formats/safetensors-write.js';
import type { TokenPair } from '../../src/formats/token-pairs.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { klOfSubspaces, type Subspace } from '../../src/masks/aligned-subspaces.js';
import { totalKl } from '../../src/masks/total-kl.js';
import { listComponents } from '../../src/models/components.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { Random } from '../../src/random.js';
import { orthonormal } from '../../src/statistics/principal-angles.js';
import { decomposed } from '../support/decomposed.js';
import { availableEngines } from '../support/engines.js';
import { ALL_FAMILIES, openOneLayer } from '../support/family-model.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const kernels = await loadKernels();
const SIZE = 2;

/** A random subspace of each component, in a file; and the layer as it is read back. */
async function written(family: (typeof ALL_FAMILIES)[number]) {
  const model = await openOneLayer(folder, family);
  const { decomposition } = await decomposed(model);
  const singular = await decomposition.layer(0);
  const random = new Random(6);
  const subspaces = [...singular.values()].map((own): Subspace => {
    const span = spanOf(own);
    const rows = Array.from({ length: SIZE }, () =>
      Float64Array.from({ length: own.component.rank }, (_, k) => (k < span ? random.normal() : 0)),
    );
    return { component: own.component, rows: orthonormal(rows) };
  });
  const turned = subspaces.map(({ component, rows }) =>
    inAlignedBasis(singular.get(component.name)!, rows, kernels),
  );
  const file = join(folder, `${family}.safetensors`);
  await writeSafetensors(file, await basisTensors(turned, model));
  const source = await openSafetensors(file);
  try {
    checkNames(source, listComponents(model.architecture));
    const loaded = await loadedLayer(source, model, 0, singular, kernels);
    return { model, decomposition, subspaces, turned, loaded };
  } finally {
    await source.close();
  }
}

/** Largest difference, as a share of the largest entry. */
function apart(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / Math.max(...b.map(Math.abs));
}

const scaled = ({ u, s, component: { rank } }: Directions) => u.map((value, at) => value * s[at % rank]!);

it('reads back the directions that were written, and no further ones', async () => {
  for (const family of ALL_FAMILIES) {
    const { model, turned, loaded } = await written(family);
    const { architecture } = model;
    const { q } = await model.layer(0);
    for (const before of turned) {
      const { name, kind, rank, rows, head } = before.component;
      const where = `${family} ${name}`;
      const after = loaded.find(({ component }) => component.name === name)!;
      expect(after.component.rank, where).toBe(rank);
      if (kind === 'qk' && architecture.rotary) {
        const { dHead } = architecture;
        expect(apart(after.u, before.u), where).toBeLessThan(1e-5);
        const again = kernels.gemm(after.u, after.head!, { rows, inner: rank, cols: dHead });
        expect(apart(again, augmentedHead(q, head!, dHead)), where).toBeLessThan(1e-5);
        continue;
      }
      expect(apart(scaled(after), scaled(before)), where).toBeLessThan(1e-4);
      // Null directions write nothing, wherever their v points.
      const end = spanOf(before) * before.component.cols;
      expect(apart(after.vt.subarray(0, end), before.vt.subarray(0, end)), where).toBeLessThan(1e-4);
    }
  }
});

it('keeps with the first directions of rotary QK what their subspace keeps', async () => {
  const engine = await openEngine({ engine: availableEngines()[0]! });
  const random = new Random(2);
  const prompt = (length: number) => Int32Array.from({ length }, () => random.integer(11));
  const pairs = [5, 8].map(
    (length, id): TokenPair => ({
      id: String(id),
      clean: prompt(length),
      corrupted: prompt(length),
      answers: Int32Array.of(id),
      distractors: Int32Array.of(7),
    }),
  );
  for (const family of ['llama', 'qwen3', 'gpt_neox'] as const) {
    const { model, decomposition, subspaces, loaded } = await written(family);
    const layer = new Map(loaded.map((own) => [own.component.name, own]));
    const own = subspaces.filter(({ component }) => component.kind === 'qk');
    const klOf = async <Result>(
      over: typeof decomposition,
      of: (prepared: PreparedPairs) => Promise<Result>,
    ) => {
      const masked = await MaskedModel.load(engine, model, over, { kinds: ['qk'] });
      try {
        return await of(await PreparedPairs.prepare(masked, pairs, { replacement: 'interchange', seed: 0 }));
      } finally {
        masked.dispose();
      }
    };
    const kept = await klOf(decomposition, (prepared) => klOfSubspaces(prepared, own));
    const masks = own.flatMap(({ component: { rank } }) =>
      Array.from({ length: rank }, (_, k) => Number(k < SIZE)),
    );
    const over = { ...decomposition, layer: async () => layer };
    const again = await klOf(over, async (prepared) => {
      expect(prepared.model.layout.size).toBe(masks.length);
      return (await totalKl(prepared, Float32Array.from(masks))) / pairs.length;
    });
    expect(kept, family).toBeGreaterThan(1e-3);
    expect(again / kept, family).toBeCloseTo(1, 3);
  }
});
