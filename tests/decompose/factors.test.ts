import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { factorSizes, factorsOf } from '../../src/decompose/factors.js';
import { readJson } from '../../src/formats/json-file.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { loadKernels } from '../../src/kernels/kernels.js';
import { listComponents } from '../../src/models/components.js';
import { gpt2 } from '../../src/models/gpt2.js';
import { DEFAULT_SPLIT } from '../../src/models/qk-split.js';
import { layerInForm } from '../../src/models/weight-forms.js';
import type { LayerWeights, Linear } from '../../src/models/weights.js';
import { decomposed } from '../support/decomposed.js';
import { openForTest } from '../support/open-model.js';
import { ROTARY_FAMILIES, writeRandomFamily } from '../support/random-family.js';
import { writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import {
  describeWith,
  type GoldenModel,
  GPT2_RANDOM,
  GPT2_SMALL_PART,
  TINY_STORIES,
} from '../support/test-data.js';

const folder = temporaryFolder();

const SMALL = {
  layers: 1,
  kvHeads: 2,
  group: 2,
  planes: 3,
  dModel: 10,
  dMlp: 14,
  vocabulary: 9,
  biased: true,
  seed: 1,
};

it('announces the sizes of factors for every family and every split of QK', async () => {
  for (const family of ROTARY_FAMILIES)
    for (const split of [DEFAULT_SPLIT, { by: 'offset', offsets: 3 }] as const) {
      const path = join(folder, `${family}-${split.by}`);
      await writeRandomFamily(path, { ...SMALL, family });
      const model = await openForTest(path, 'reference', split);
      const weights = await model.layer(0);
      for (const component of listComponents(model.architecture, undefined, split)) {
        if (component.layer > 0) continue;
        const { a, b, inner } = factorsOf(component, weights, model.architecture, split);
        expect(factorSizes(component, model.architecture), `${family} ${component.name}`).toEqual({
          a: a.length,
          b: b?.length ?? 0,
          inner,
        });
      }
    }
});

it('gives every component the shape and rank that are announced, and directions that rebuild it', async () => {
  let models = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        layers: fc.constant(1),
        heads: fc.integer({ min: 1, max: 3 }),
        dHead: fc.integer({ min: 1, max: 6 }),
        dMlp: fc.integer({ min: 1, max: 20 }),
        seed: fc.nat(1e6),
      }),
      async (options) => {
        const path = join(folder, String(models++));
        await writeRandomGpt2(path, options);
        const { reference } = await decomposed(await openForTest(path));
        for (const { component, u, s, vt } of reference.directions.values()) {
          const { a, b, rows, inner, cols } = factorsOf(
            component,
            reference.layers[0]!,
            reference.architecture,
            DEFAULT_SPLIT,
          );
          expect([rows, cols]).toEqual([component.rows, component.cols]);
          expect(factorSizes(component, reference.architecture)).toEqual({
            a: a.length,
            b: b?.length ?? 0,
            inner,
          });
          expect([u.length, s.length, vt.length]).toEqual([
            rows * component.rank,
            component.rank,
            component.rank * cols,
          ]);
          for (let i = 0; i < rows; i++)
            for (let j = 0; j < cols; j++) {
              let wanted = b ? 0 : a[i * cols + j]!;
              if (b) for (let k = 0; k < inner; k++) wanted += a[i * inner + k]! * b[k * cols + j]!;
              let found = 0;
              for (let k = 0; k < component.rank; k++)
                found += u[i * component.rank + k]! * s[k]! * vt[k * cols + j]!;
              expect(Math.abs(found - wanted), component.name).toBeLessThan(1e-5 * (s[0]! + 1e-3));
            }
        }
      },
    ),
    { numRuns: 20 },
  );
});

describe('singular values', () => {
  const agree = ({ path, figures }: GoldenModel) =>
    it('agree to 1e-4 above a thousandth of the largest', async () => {
      const golden = JSON.parse(readFileSync(figures, 'utf8')) as {
        singular_values: Record<string, number[]>;
      };
      const { reference } = await decomposed(await openForTest(path));
      expect(reference.directions.size).toBe(Object.keys(golden.singular_values).length);
      for (const [name, wanted] of Object.entries(golden.singular_values)) {
        const { s } = reference.directions.get(name)!;
        for (let k = 0; k < s.length; k++)
          if (wanted[k]! > 1e-3 * wanted[0]!)
            expect(Math.abs(s[k]! / wanted[k]! - 1), `${name}.${k}`).toBeLessThan(1e-4);
      }
    });

  describeWith(GPT2_RANDOM, 'of a random GPT-2', () => agree(GPT2_RANDOM));
  describeWith(TINY_STORIES, 'of a trained Llama', () => agree(TINY_STORIES));
});

const PARTIAL = GPT2_SMALL_PART.path;

describeWith(GPT2_SMALL_PART, 'singular values of real GPT-2 small heads', () => {
  /** As the figures were made: folded and centred, but without biases. */
  const unbiased = (linear: Linear): Linear => ({ ...linear, bias: null });

  /** The MLP matrices are not in this excerpt; heads do not need them. */
  async function attentionLayer(
    layer: number,
  ): Promise<{ weights: LayerWeights; architecture: ReturnType<typeof gpt2.architecture> }> {
    const source = await openSafetensors(join(PARTIAL, 'partial.safetensors'));
    const architecture = gpt2.architecture(await readJson(join(PARTIAL, 'config.json')), 'config.json');
    const withoutMlp = {
      ...source,
      has: (name: string) => source.has(name) || name.includes('.mlp.'),
      names: () => source.names(),
      info: (name: string) =>
        source.has(name)
          ? source.info(name)
          : { dtype: 'F32' as const, shape: name.includes('c_fc') ? [768, 3072] : [3072, 768] },
      readFloat32: async (name: string, options?: object) =>
        source.has(name) ? source.readFloat32(name, options) : new Float32Array(768 * 3072),
    };
    const raw = await gpt2.layer(withoutMlp, architecture, layer, {});
    const weights = layerInForm(raw, architecture, 'reference');
    await source.close();
    const { q, k, v, o } = weights;
    return {
      weights: { ...weights, q: unbiased(q), k: unbiased(k), v: unbiased(v), o: unbiased(o) },
      architecture: {
        ...architecture,
        biases: { ...architecture.biases, q: false, k: false, v: false, o: false },
      },
    };
  }

  it('agree to 1e-4 for all heads of layers 4, 5 and 9', async () => {
    const kernels = await loadKernels();
    const stored = await openSafetensors(join(PARTIAL, 'singular_values.safetensors'));
    const wanted = {
      qk: await stored.readFloat32('qk_singular_values'),
      ov: await stored.readFloat32('ov_singular_values'),
    };
    await stored.close();
    for (const layer of [4, 5, 9]) {
      const { weights, architecture } = await attentionLayer(layer);
      for (const component of listComponents(architecture, ['qk', 'ov'])) {
        if (component.layer !== layer) continue;
        const { a, b, rows, inner, cols } = factorsOf(component, weights, architecture, DEFAULT_SPLIT);
        const { s } = kernels.svdOfProduct(a, b!, rows, inner, cols);
        const from = (layer * 12 + component.head!) * 64;
        const golden = wanted[component.kind as 'qk' | 'ov'].subarray(from, from + 64);
        s.forEach((value, k) => {
          expect(Math.abs(value / golden[k]! - 1), `${component.name}.${k}`).toBeLessThan(1e-4);
        });
      }
    }
  });
});
