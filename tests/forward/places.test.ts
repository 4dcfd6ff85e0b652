/** Named places: what is read there, what a replacement does, and the gradients that are pulled back from them. */

import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import type { MaskedModel } from '../../src/forward/masked-model.js';
import {
  type BlockHooks,
  type BlockPlace,
  coefficientsOf,
  type Hook,
  type Hooks,
  type PlaceInModel,
  PlaceReader,
} from '../../src/forward/places.js';
import type { LossHead } from '../../src/forward/transformer.js';
import { componentName, type Kind } from '../../src/models/components.js';
import { Random } from '../../src/random.js';
import { HEAD_KINDS } from '../../src/settings/choices.js';
import { describeOnEngines } from '../support/engines.js';
import { ALL_FAMILIES, type FamilyModel, loadFamily } from '../support/family-model.js';
import { rowsOf } from '../support/next-tokens.js';
import { referenceForward } from '../support/reference-forward.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

const PLACES: readonly BlockPlace[] = [
  'streamBefore',
  'attentionInput',
  'q',
  'k',
  'v',
  'scores',
  'pattern',
  'z',
  'attentionWritten',
  'attentionOutput',
  'streamBetween',
  'mlpInput',
  'mlpHidden',
  'mlpWritten',
  'mlpOutput',
  'streamAfter',
];

function placesOf({ architecture, layout }: MaskedModel): BlockPlace[] {
  const rates: BlockPlace[] = architecture.queryKeyNorm === undefined ? [] : ['queryRate', 'keyRate'];
  return [...PLACES, ...rates, ...layout.kinds.map(coefficientsOf)];
}

/** Every place of every layer. */
function everywhere(model: MaskedModel): Required<PlaceInModel>[] {
  return Array.from({ length: model.architecture.nLayers }, (_, layer) =>
    placesOf(model).map((place) => ({ layer, place })),
  ).flat() as Required<PlaceInModel>[];
}

function hooksAt(places: readonly Required<PlaceInModel>[], hook: Hook): Hooks {
  const blocks: BlockHooks[] = [];
  for (const { layer, place } of places) blocks[layer] = { ...blocks[layer], [place]: hook };
  return { blocks };
}

/** What the definitions say of a place, flattened; NaN where they say nothing. */
function expectedAt(
  { reference, model }: FamilyModel,
  ids: Int32Array,
  layer: number,
  place: BlockPlace,
): number[] {
  const { places, coefficients, inputs } = referenceForward(reference, ids);
  const kind = place.replace('.coefficients', '') as Kind;
  if (place !== coefficientsOf(kind)) {
    const values = places[layer]!.get(place)!;
    if (place !== 'scores' && place !== 'pattern') return values.flat(2) as number[];
    // Scores of keys that must not be seen are whatever they are.
    const unseen = place === 'scores' ? Number.NaN : 0;
    return (values as number[][][]).flatMap((head) =>
      head.flatMap((row) => [...row, ...new Array<number>(ids.length - row.length).fill(unseen)]),
    );
  }
  const names = (HEAD_KINDS as readonly Kind[]).includes(kind)
    ? Array.from({ length: model.architecture.nHeads }, (_, head) => componentName(kind, layer, head))
    : [componentName(kind, layer)];
  return Array.from(ids, (_, position) =>
    names.flatMap((name) => {
      const { u, s, component } = reference.directions.get(name)!;
      if (kind !== 'qk')
        return coefficients.get(name)![position]!.map((y, k) => (kind === 'ov' ? y * s[k]! : y));
      const row = inputs[layer]![position]!;
      const augmented = component.rows > row.length ? [1, ...row] : row;
      return Array.from({ length: component.rank }, (_, k) =>
        augmented.reduce((sum, value, r) => sum + value * u[r * component.rank + k]!, 0),
      );
    }),
  ).flat();
}

/** Σ of all logits, each times a number of its own: linear, so that a finite difference has no error of its own. */
function weighedLogits(rows: number, vocabulary: number): LossHead {
  const random = new Random(11);
  const weights = tf.tensor2d(
    Float32Array.from({ length: rows * vocabulary }, () => random.normal()),
    [rows, vocabulary],
  );
  return {
    key: { loss: 'weighed' },
    inputs: [weights],
    pull: (logits) => ({
      dLogits: tf.clone(weights),
      values: [tf.sum(tf.mul(logits, weights)) as tf.Scalar],
    }),
  };
}

const largest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describeOnEngines('named places', (engine) => {
  for (const family of ALL_FAMILIES) {
    it(`hold what the definitions say, in ${family}`, async () => {
      const loaded = await loadFamily(engine(), folder, family);
      const { model, reference, prompt } = loaded;
      const ids = prompt(5);
      const before = tf.memory().numTensors;
      const places = everywhere(model);
      const reader = new PlaceReader([...places, { place: 'final' }]);
      const states = model.forward([ids], { hooks: reader.hooks, positions: 'all', ends: 'all' });
      for (const { layer, place } of places) {
        const found = await reader.value(layer, place).data();
        const expected = expectedAt(loaded, ids, layer, place as BlockPlace);
        expect(found.length, `${place} of layer ${layer}`).toBe(expected.length);
        const wrong = expected.map((value, i) => (Number.isNaN(value) ? 0 : found[i]! - value));
        expect(largest(wrong), `${place} of layer ${layer}`).toBeLessThan(1e-4 * (1 + largest(found)));
      }
      expect(await reader.value(undefined, 'final').data()).toEqual(await states.data());

      const logits = model.logits(states);
      const after = tf.logSoftmax(logits);
      for (const [end, row] of (await rowsOf(after)).entries()) {
        const { logProbabilities } = referenceForward(reference, ids.subarray(0, end + 1));
        expect(largest(row.map((value, v) => value - logProbabilities[v]!))).toBeLessThan(1e-4);
      }
      tf.dispose([states, logits, after]);
      reader.dispose();
      expect(tf.memory().numTensors).toBe(before);
      model.dispose();
    });

    it(`change nothing where a value stands in for itself, in ${family}`, async () => {
      const { model, prompt } = await loadFamily(engine(), folder, family);
      const prompts = [prompt(4), prompt(6), prompt(1)];
      // Queries and keys are coefficients where QK passes its directions and nothing turns.
      const apart = model.architecture.rotary ? [] : ['q', 'k'];
      const plain = model.forward(prompts);
      for (const chosen of [
        everywhere(model).filter(({ place }) => !apart.includes(place)),
        everywhere(model).filter(({ place }) => place !== 'qk.coefficients'),
      ])
        for (const positions of ['last', 'all'] as const) {
          const hooks = hooksAt(chosen, { replace: (value) => tf.clone(value) });
          const replaced = model.forward(prompts, { hooks, positions });
          const difference = tf.sub(replaced, plain);
          expect(largest(await difference.data())).toBeLessThan(1e-4);
          tf.dispose([replaced, difference]);
        }
      plain.dispose();
      model.dispose();
    });
  }

  // Grouped heads, normalised queries and keys, output norms, capped scores, parallel residuals.
  for (const family of ['gpt2', 'qwen3', 'gemma2', 'gpt_neox'] as const)
    it(`have the gradients that finite differences show, in ${family}`, async () => {
      const { model, prompt } = await loadFamily(engine(), folder, family);
      // Of equal lengths: padding is a stream of zeros, at which a normalisation is anything but linear.
      const prompts = [prompt(4), prompt(4)];
      const random = new Random(5);
      const masks = Float32Array.from({ length: model.layout.size }, () => random.uniform());
      const ends = 'all';
      const head = weighedLogits(prompts.length * 4, model.architecture.nVocab);
      // Queries and keys have no place where QK is masked without rotations.
      const places = everywhere(model).filter(
        ({ layer, place }) => layer === 0 && (model.architecture.rotary || (place !== 'q' && place !== 'k')),
      );
      const before = tf.memory().numTensors;
      const reader = new PlaceReader([...places, { place: 'final' }, { place: 'logits' }], {
        gradients: true,
      });
      await model.gradient(prompts, masks, [], head, { hooks: reader.hooks, positions: 'all', ends });
      for (const at of places) {
        const { layer, place } = at;
        const [value, gradient] = [reader.value(layer, place), reader.gradient(layer, place)];
        const size = largest(await value.data());
        const step = Float32Array.from({ length: value.size }, () => 0.002 * (size + 0.1) * random.normal());
        const parts = Array.from(await gradient.data(), (g, i) => g * step[i]!);
        const slope = parts.reduce((sum, part) => sum + part, 0);
        const scale = Math.sqrt(parts.reduce((sum, part) => sum + part ** 2, 0));
        const moved = async (factor: number) => {
          const hooks = hooksAt([at], {
            replace: (x) => tf.add(x, tf.mul(tf.tensor(step, x.shape), factor)),
            pull: (d) => d,
          });
          const { values } = await model.gradient(prompts, masks, [], head, {
            hooks,
            positions: 'all',
            ends,
          });
          return values[0]!;
        };
        const difference = async (h: number) => ((await moved(h)) - (await moved(-h))) / (2 * h);
        // Of two steps, so that the third derivative drops out.
        const measured = (4 * (await difference(0.5)) - (await difference(1))) / 3;
        expect(Math.abs(measured - slope), `${place} of layer ${layer}: ${measured}, ${slope}`).toBeLessThan(
          0.02 * scale + 1e-3,
        );
      }
      reader.dispose();
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose(head.inputs);
      model.dispose();
    });

  it('give masks their gradient: at mask 1, that of the coefficient times what it would lose', async () => {
    for (const positions of ['last', 'all'] as const) {
      const { model, prompt } = await loadFamily(engine(), folder, 'qwen3', { positions });
      const prompts = [prompt(5), prompt(5)];
      const ones = new Float32Array(model.layout.size).fill(1);
      const head = weighedLogits(2, model.architecture.nVocab);
      const places = [0, 1].flatMap((layer) =>
        model.layout.kinds.map((kind) => ({ layer, place: coefficientsOf(kind) })),
      );
      const reader = new PlaceReader(places, { gradients: true });
      const { gradient } = await model.gradient(prompts, ones, [], head, { hooks: reader.hooks });
      for (const layer of [0, 1])
        for (const kind of model.layout.kinds) {
          const at = coefficientsOf(kind);
          const product = tf.tidy(() =>
            tf.sum(tf.mul(reader.value(layer, at), reader.gradient(layer, at)), 0),
          );
          const { start, length } = model.layout.block(layer, kind)!;
          const wrong = Array.from(await product.data(), (value, k) => value - gradient[start + k]!);
          expect(wrong.length).toBe(length);
          expect(largest(wrong), at).toBeLessThan(1e-4 * (1 + largest(gradient)));
          product.dispose();
        }
      reader.dispose();
      tf.dispose(head.inputs);
      model.dispose();
    }
  });

  it('of a stream let in what has a mean, as the model itself would', async () => {
    const { model, reference, prompt } = await loadFamily(engine(), folder, 'gpt2');
    expect(model.architecture.norm).toBe('rms');
    expect(reference.architecture.norm).toBe('layer');
    const ids = prompt(4);
    const plain = model.forward([ids]);
    // A LayerNorm takes a constant away again.
    const hooks = hooksAt([{ layer: 1, place: 'streamBefore' }], { replace: (stream) => tf.add(stream, 3) });
    const lifted = model.forward([ids], { hooks });
    const difference = tf.sub(lifted, plain);
    expect(largest(await difference.data())).toBeLessThan(1e-4);
    tf.dispose([plain, lifted, difference]);
    model.dispose();
  });

  it('that no pass comes by are refused', async () => {
    const { model, prompt } = await loadFamily(engine(), folder, 'gpt2', { kinds: (kind) => kind === 'ov' });
    const ids = [prompt(3)];
    const run = (layer: number, place: BlockPlace) => () =>
      model.forward(ids, { hooks: hooksAt([{ layer, place }], { read: () => {} }) });
    expect(run(0, 'qk.coefficients')).toThrow('nothing passes qk.coefficients of layer 0');
    expect(run(1, 'mlp_in.coefficients')).toThrow('nothing passes mlp_in.coefficients of layer 1');
    expect(run(2, 'z')).toThrow('nothing passes z of layer 2');
    expect(() => new PlaceReader([{ layer: 0, place: 'z' }]).value(0, 'z')).toThrow(
      'no pass comes by z of layer 0: this model has no such place there',
    );
    const head = weighedLogits(1, model.architecture.nVocab);
    const hooks = hooksAt([{ layer: 0, place: 'z' }], { replace: (z) => z });
    await expect(
      model.gradient(ids, new Float32Array(model.layout.size), [], head, { hooks }),
    ).rejects.toThrow('pulls no gradient back');
    model.dispose();
  });
});
