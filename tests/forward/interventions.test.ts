/** Coefficients changed in place: against the definitions, against masks, and where nothing should change. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { type Intervention, intervene } from '../../src/forward/interventions.js';
import type { Baseline, MaskedModel, MaskedPassOptions, PerKind } from '../../src/forward/masked-model.js';
import { coefficientsOf, PlaceReader } from '../../src/forward/places.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES, loadFamily } from '../support/family-model.js';
import { rowsOf } from '../support/next-tokens.js';
import { type ReferenceMasking, referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

async function logProbabilities(
  model: MaskedModel,
  prompts: readonly Int32Array[],
  options: MaskedPassOptions,
): Promise<number[][]> {
  const state = model.forward(prompts, options);
  const logits = model.logits(state);
  const logs = tf.logSoftmax(logits);
  const rows = await rowsOf(logs);
  tf.dispose([state, logits, logs]);
  return rows;
}

function worst(a: readonly number[][], b: readonly number[][]): number {
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i]![j]!))));
}

describeOnEngines('interventions', (engine) => {
  for (const family of ALL_FAMILIES) {
    it(`do what the definitions say, in ${family}`, async () => {
      const { model, reference, prompt } = await loadFamily(engine(), folder, family, {
        kinds: (kind) => kind !== 'qk',
      });
      const prompts = [prompt(5), prompt(3)];
      const before = tf.memory().numTensors;
      const output = model.layout.kinds.at(-1)!;
      // Set at one token, and at another one scaled: with m a mask, m·y + (1 − m)·0.
      const tokens = [[1, 4], [0]];
      const other = [[2], []];
      const changes: Intervention[] = [
        { component: 'L0H1.ov', directions: [0, 2], tokens, change: { set: (p, t, k) => p + t - k } },
        { component: `L0.${output}`, directions: [1], tokens: other, change: { scale: 0.3 } },
        { component: `L1.${output}`, directions: [0], tokens: 'last', change: { scale: 0.5, add: 2 } },
      ];
      const found = await logProbabilities(model, prompts, intervene(model, prompts, changes));
      const expected = prompts.map((ids, p) => {
        const token = (fromEnd: number) => ids.length - 1 - fromEnd;
        const masking: ReferenceMasking = {
          positions: 'all',
          mask(name, fromEnd) {
            const { rank } = reference.directions.get(name)!.component;
            const mask = new Float32Array(rank).fill(1);
            if (name === 'L0H1.ov' && tokens[p]!.includes(token(fromEnd))) mask[0] = mask[2] = 0;
            if (name === `L0.${output}` && other[p]!.includes(token(fromEnd))) mask[1] = 0.3;
            if (name === `L1.${output}` && fromEnd === 0) mask[0] = 0.5;
            return mask;
          },
          replacement(name, fromEnd, k) {
            if (name === 'L0H1.ov') return p + token(fromEnd) - k;
            // Half of what is put in its place is what was added.
            return name === `L1.${output}` ? 4 : 0;
          },
        };
        return referenceForward(reference, ids, masking).logProbabilities;
      });
      expect(worst(found, expected)).toBeLessThan(2e-4);
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    });

    it(`change nothing where they scale by 1 or add 0, with masks or without, in ${family}`, async () => {
      const { model, prompt } = await loadFamily(engine(), folder, family);
      const prompts = [prompt(2), prompt(5)];
      const masks = Float32Array.from({ length: model.layout.size }, (_, i) => (i % 5) / 4);
      const idle = model.layout.components.map(
        ({ name }, at): Intervention => ({
          component: name,
          tokens: at % 2 === 0 ? 'all' : 'last',
          change: at % 3 === 0 ? { add: 0 } : { scale: 1 },
        }),
      );
      for (const options of [{}, { masks }]) {
        const plain = await logProbabilities(model, prompts, options);
        const changed = await logProbabilities(model, prompts, {
          ...options,
          ...intervene(model, prompts, idle),
        });
        expect(worst(changed, plain)).toBeLessThan(1e-4);
      }
      model.dispose();
    });
  }

  it('that set every direction to the corrupted run are the masked pass at m = 0', async () => {
    for (const positions of ['last', 'all'] as const) {
      const { model, prompt } = await loadFamily(engine(), folder, 'gemma3_text', {
        positions,
        kinds: (kind) => kind !== 'qk',
      });
      const [clean, corrupted] = [
        [prompt(4), prompt(4)],
        [prompt(4), prompt(4)],
      ];
      const layers = [0, 1];
      const reader = new PlaceReader(
        layers.flatMap((layer) => model.layout.kinds.map((kind) => ({ layer, place: coefficientsOf(kind) }))),
      );
      model.forward(corrupted, { hooks: reader.hooks }).dispose();
      const baseline: Baseline = layers.map((layer) =>
        Object.fromEntries(
          model.layout.kinds.map((kind) => [kind, reader.value(layer, coefficientsOf(kind))]),
        ),
      ) as PerKind<tf.Tensor2D>[];
      const changes: Intervention[] = [];
      for (const component of model.layout.components) {
        const { layer, kind, name } = component;
        const coefficients = baseline[layer]![kind]!;
        const [values, [rows, width]] = [await coefficients.data(), coefficients.shape];
        const { start } = model.layout.of(component);
        const first = start - model.layout.block(layer, kind)!.start;
        const count = rows / clean.length;
        changes.push({
          component: name,
          tokens: positions,
          change: {
            set: (p, token, k) => {
              const at = p * count + Math.max(0, count - 4 + token);
              // OV's place holds σ_k y_k.
              return values[at * width + first + k]! / (kind === 'ov' ? model.sigma[start + k]! : 1);
            },
          },
        });
      }
      const masks = new Float32Array(model.layout.size);
      const masked = await logProbabilities(model, clean, { masks, baseline });
      const changed = await logProbabilities(model, clean, intervene(model, clean, changes));
      expect(worst(changed, masked)).toBeLessThan(2e-4);
      reader.dispose();
      model.dispose();
    }
  });

  it('scale directions of QK as masks do, planes among them', async () => {
    const { model, prompt } = await loadFamily(engine(), folder, 'gpt_neox', {
      split: { by: 'plane', offsets: 64 },
    });
    const prompts = [prompt(5)];
    const masks = new Float32Array(model.layout.size).fill(1);
    const component = model.layout.components.find(({ name }) => name === 'L1H1.qk')!;
    masks[model.layout.of(component).start + 1] = 0.25;
    const change = { component: 'L1H1.qk', directions: [1], tokens: 'all', change: { scale: 0.25 } } as const;
    const [masked, changed] = [
      await logProbabilities(model, prompts, { masks }),
      await logProbabilities(model, prompts, intervene(model, prompts, [change])),
    ];
    expect(worst(masked, changed)).toBeLessThan(1e-4);
    expect(() => intervene(model, prompts, [{ ...change, change: { set: 0 } }])).toThrow(
      'two coordinates each',
    );
    model.dispose();
  });

  it('refuse what is not there, and say what is', async () => {
    const { model, prompt } = await loadFamily(engine(), folder, 'gpt2', { kinds: (kind) => kind === 'ov' });
    const prompts = [prompt(2)];
    const refused = (change: Partial<Intervention>) => () =>
      intervene(model, prompts, [{ component: 'L0H0.ov', tokens: 'last', change: { set: 0 }, ...change }]);
    expect(refused({ component: 'L0.mlp_in' })).toThrow(
      'L0.mlp_in is no component whose directions are loaded',
    );
    expect(refused({ directions: [7] })).toThrow('L0H0.ov has directions 0 to 6, not 7');
    expect(refused({ directions: [0.5] })).toThrow('not 0.5');
    expect(refused({ tokens: [[2]] })).toThrow('L0H0.ov: prompt 0 has tokens 0 to 1, not 2');
    model.dispose();
  });
});
