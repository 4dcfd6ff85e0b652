import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { openLayerReader, openModel } from '../../src/models/open-model.js';
import { openForTest } from '../support/open-model.js';
import { SMALL_GPT2, writeRandomGpt2 } from '../support/random-gpt2.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const good = join(folder, 'good');
let copies = 0;

beforeAll(() => writeRandomGpt2(good, { tied: false }));

/** A copy of the good model with another config. */
function withConfig(change: Record<string, unknown>): string {
  const copy = join(folder, `copy-${copies++}`);
  cpSync(good, copy, { recursive: true });
  const config = JSON.parse(readFileSync(join(copy, 'config.json'), 'utf8')) as object;
  writeFileSync(join(copy, 'config.json'), JSON.stringify({ ...config, ...change }));
  return copy;
}

describe('openModel', () => {
  it('reads shape and weights', async () => {
    const model = await openForTest(good);
    const d = SMALL_GPT2.heads * SMALL_GPT2.dHead;
    expect(model.architecture).toMatchObject({
      dModel: d,
      nLayers: 2,
      nHeads: 2,
      dMlp: 20,
      activation: 'gelu_new',
    });
    const layer = await model.layer(1);
    expect(layer.q.weight).toHaveLength(d * d);
    expect((await model.ends()).unembed.weight).toHaveLength(d * SMALL_GPT2.vocabulary);
  });

  it('reads one layer over the other, and each as by itself', async () => {
    const [kept, over] = [await openModel(good), await openLayerReader(good, 'reference')];
    const places = [];
    for (const index of [0, 1, 0]) {
      const layer = await over.read(index);
      expect(layer).toEqual(await kept.layer(index));
      places.push(layer.mlpIn.weight.buffer);
    }
    expect(new Set(places).size).toBe(1);
    await Promise.all([kept.close(), over.close()]);
  });

  it('has one hash a model, whatever the form, and another for another config', async () => {
    const hash = await (await openForTest(good)).hash();
    expect(await (await openForTest(good, 'folded')).hash()).toBe(hash);
    expect(await (await openForTest(withConfig({ n_head: 4 }))).hash()).not.toBe(hash);
    expect(await (await openForTest(withConfig({ transformers_version: '9' }))).hash()).toBe(hash);
  });

  it('reads older spellings and defaults of the config', async () => {
    const model = await openForTest(
      withConfig({ n_positions: undefined, n_ctx: 12, activation_function: 'gelu_pytorch_tanh' }),
    );
    expect(model.architecture).toMatchObject({ nPositions: 12, activation: 'gelu_new' });
    const scaled = await openForTest(withConfig({ scale_attn_by_inverse_layer_idx: true }));
    expect(scaled.architecture.attentionScale.map((scale) => scale * Math.sqrt(SMALL_GPT2.dHead))).toEqual([
      1, 0.5,
    ]);
  });

  for (const [title, change, message] of [
    [
      'an unknown architecture',
      { model_type: 'mamba' },
      /"model_type" is "mamba": it has no attention; these can be read: gpt2/,
    ],
    ['no architecture', { model_type: undefined }, /"model_type" is missing/],
    ['an architecture that is no text', { model_type: { toString: 1 } }, /"model_type" is an object/],
    [
      'a text part whose architecture is no text',
      { model_type: 'gemma3', text_config: { model_type: { toString: 1 } } },
      /"model_type" is an object/,
    ],
    [
      'an unknown activation',
      { activation_function: 'snake' },
      /"activation_function" is "snake"; it must be one of gelu/,
    ],
    [
      'a width that heads do not divide',
      { n_head: 5 },
      /"n_head" is 5; it must be a divisor of n_embd \(12\)/,
    ],
    ['no layers', { n_layer: 0 }, /"n_layer" is 0; it must be a positive whole number/],
    [
      'a vocabulary of another size',
      { vocab_size: 99 },
      /tensor "transformer.wte.weight" has shape \[17,12\]; the config promises \[99,12\]/,
    ],
    ['more layers than weights', { n_layer: 3 }, /no tensor "transformer.h.2.attn.c_attn.weight"/],
    ['cross-attention', { add_cross_attention: true }, /"add_cross_attention" is true/],
  ] as const)
    it(`refuses ${title}`, async () => {
      const read = async () => {
        const model = await openForTest(withConfig(change));
        await model.ends();
        for (let layer = 0; layer < model.architecture.nLayers; layer++) await model.layer(layer);
      };
      await expect(read()).rejects.toThrow(InputError);
      await expect(read()).rejects.toThrow(message);
    });
});
