/** Every family against `transformers` on small random models (tests/golden/families/make-families.py), on every engine. */

import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../src/errors.js';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/formats/float-conversion.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../../src/formats/safetensors-write.js';
import { WEIGHT_FORMS } from '../../src/settings/choices.js';
import { describeOnEngines } from '../support/engines.js';
import { logSoftmax } from '../support/golden.js';
import { loadPlain, logitsAfter } from '../support/next-tokens.js';
import { openForTest } from '../support/open-model.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const GOLDEN = fileURLToPath(new URL('../golden/families', import.meta.url));
const models = readdirSync(GOLDEN, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

describeOnEngines('log-probabilities of transformers', (engine) => {
  for (const name of models)
    for (const form of WEIGHT_FORMS)
      it(`${name}, ${form} form`, async () => {
        const folder = join(GOLDEN, name);
        const cases = JSON.parse(readFileSync(join(folder, 'logits.json'), 'utf8')) as {
          ids: number[];
          log_softmax: number[];
        }[];
        const opened = await openForTest(folder, form);
        const model = await loadPlain(engine(), opened);
        const found = logSoftmax(
          await logitsAfter(
            model,
            cases.map(({ ids }) => ids),
          ),
        );
        model.dispose();
        cases.forEach(({ log_softmax: wanted }, prompt) => {
          wanted.forEach((value, token) => {
            expect(Math.abs(found[prompt]![token]! - value)).toBeLessThan(2e-4);
          });
        });
      });
});

/** Folders as they lie about, and what transformers 5.24 says of them. */
const CASES = fileURLToPath(new URL('../golden/cases', import.meta.url));
const cases = readdirSync(CASES, { recursive: true, encoding: 'utf8' })
  .filter((path) => basename(path) === 'model.safetensors')
  .map((path) => dirname(path));

describeOnEngines('folders as they lie about', (engine) => {
  it.each(cases)('%s', async (name) => {
    const truth: { ids: number[]; logp: number[] }[] = JSON.parse(
      readFileSync(join(CASES, name, 'truth.json'), 'utf8'),
    );
    const model = await loadPlain(engine(), await openForTest(join(CASES, name)));
    const found = logSoftmax(
      await logitsAfter(
        model,
        truth.map(({ ids }) => ids),
      ),
    );
    model.dispose();
    truth.forEach(({ logp }, prompt) => {
      logp.forEach((value, token) => {
        expect(Math.abs(found[prompt]![token]! - value)).toBeLessThan(2e-4);
      });
    });
  });
});

describe('notes', () => {
  const notesOf = async (name: string) => (await openForTest(join(CASES, name))).notes.join('; ');

  it('say which of two output matrices is used', async () => {
    const note = /another "(lm_head|embed_out)\.weight" is stored; that one is used, as in transformers 5/;
    for (const family of ['gpt2', 'llama', 'neox'])
      expect(await notesOf(`03-tied-flag-but-own-lm-head/${family}`)).toMatch(note);
    expect(await notesOf('16-dynamic-rope-short-prompts/llama')).toBe('');
  });

  it('say which tensors are passed over', async () => {
    expect(await notesOf('21-new-safetensors-dtypes/f4')).toMatch(
      /^tensor "model\.x" \(F4\) is of a dtype that is not read/,
    );
  });
});

describe('settings that cannot be represented exactly', () => {
  const folder = temporaryFolder();
  let copies = 0;

  for (const [title, name, change, message] of [
    [
      'another rope under the name of dynamic',
      'llama',
      { rope_scaling: { rope_type: 'dynamic', factor: 2, alpha: 1000 } },
      /"alpha" is 1000; it must be left out/,
    ],
    [
      'longrope without its factors',
      'llama',
      { rope_scaling: { rope_type: 'longrope', factor: 2, short_factor: [1] } },
      /"short_factor" is \[1\]; it must be a list of 3 positive numbers/,
    ],
    ['OPT with normalisations behind the sums', 'opt', { do_layer_norm_before: false }, /OPT 350M/],
    ['OPT with narrow embeddings', 'opt', { word_embed_proj_dim: 8 }, /"word_embed_proj_dim" is 8/],
    ['layers that are neither', 'gpt_neo', { attention_types: [[['blocked'], 2]] }, /"attention_types" is/],
    ['layers that turn half', 'smollm3', { no_rope_layers: [1, 0.5] }, /"no_rope_layers" is \[1,0.5\]/],
    [
      'more layers than anything has',
      'llama',
      { num_hidden_layers: 1e15 },
      /"num_hidden_layers" is 1000000000000000; it must be 10000 at most/,
    ],
    ['heads wider than anything has', 'llama', { head_dim: 1e9 }, /"head_dim"/],
    ['images without text', 'llava', { text_config: null }, /has no "text_config"/],
    ['experts', 'llama', { model_type: 'mixtral' }, /"mixtral": it chooses among experts; these can be read/],

    [
      'an unknown rope type',
      'qwen2',
      { rope_scaling: { type: 'spiral' } },
      /"spiral"; default, linear, llama3, yarn, dynamic and longrope/,
    ],
    [
      'rope settings that are none',
      'llama',
      { rope_scaling: 'yarn' },
      /"rope_scaling" must be an object or null/,
    ],
    ['a rope factor that is none', 'llama', { rope_scaling: { rope_type: 'linear' } }, /"factor" is missing/],
    [
      'heads that do not divide into groups',
      'llama',
      { num_key_value_heads: 3 },
      /"num_key_value_heads" is 3; it must be a divisor of 4/,
    ],
    [
      'heads of which only a part turns',
      'llama',
      { partial_rotary_factor: 0.5 },
      /"partial_rotary_factor" is 0.5; it must be 1/,
    ],
    ['quantised weights', 'llama', { quantization_config: { bits: 4 } }, /weights are quantised/],
    [
      'attention that looks ahead',
      'gemma3',
      { use_bidirectional_attention: true },
      /"use_bidirectional_attention" is true/,
    ],
    [
      'layer types that are not one a layer',
      'gemma3',
      { layer_types: ['full_attention'] },
      /"layer_types" is \["full_attention"\]; it must be 2 times/,
    ],
    ['another activation', 'llama', { hidden_act: 'snake' }, /"hidden_act" is "snake"/],
    ['a head width that heads do not divide', 'llama', { head_dim: null, hidden_size: 18 }, /"head_dim"/],
  ] as const)
    it(`refuses ${title}`, async () => {
      const copy = join(folder, String(copies++));
      cpSync(join(GOLDEN, name), copy, { recursive: true });
      const path = join(copy, 'config.json');
      const config = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...config, ...change }));
      await expect(openForTest(copy)).rejects.toThrow(InputError);
      await expect(openForTest(copy)).rejects.toThrow(message);
    });

  it.each(['F16', 'BF16'] as const)('reads %s shards as the numbers that they hold', async (dtype) => {
    const source = await openSafetensors(join(GOLDEN, 'llama', 'model.safetensors'));
    const whole = new Map<string, TensorData>();
    const shards = [0, 1, 2].map(() => new Map<string, TensorData>());
    const index: Record<string, string> = {};
    for (const [at, name] of source.names().entries()) {
      const { shape } = source.info(name);
      const data = await source.readFloat32(name);
      const rounded = new Float32Array(data.length);
      if (dtype === 'F16') f16ToF32(f32ToF16(data), rounded);
      else bf16ToF32(f32ToBf16(data), rounded);
      shards[at % 3]!.set(name, { dtype, shape, data });
      whole.set(name, { dtype: 'F32', shape, data: rounded });
      index[name] = `part-${at % 3}.safetensors`;
    }
    await source.close();
    const [sharded, plain] = [join(folder, dtype), join(folder, `${dtype}-plain`)];
    for (const path of [sharded, plain])
      cpSync(join(GOLDEN, 'llama', 'config.json'), join(path, 'config.json'));
    for (const [at, tensors] of shards.entries())
      await writeSafetensors(join(sharded, `part-${at}.safetensors`), tensors);
    writeFileSync(join(sharded, 'model.safetensors.index.json'), JSON.stringify({ weight_map: index }));
    await writeSafetensors(join(plain, 'model.safetensors'), whole);
    const [found, wanted] = [await openForTest(sharded), await openForTest(plain)];
    expect(await found.layer(1)).toEqual(await wanted.layer(1));
    expect(await found.ends()).toEqual(await wanted.ends());
  });

  it('bounds prompts by the sliding window', async () => {
    expect((await openForTest(join(GOLDEN, 'mistral'))).architecture.nPositions).toBe(48);
    expect((await openForTest(join(GOLDEN, 'qwen2'))).architecture.nPositions).toBe(64);
    expect((await openForTest(join(GOLDEN, 'gpt_neo'))).architecture.nPositions).toBe(48);
  });

  it('bounds prompts by the length from which on they turn otherwise', async () => {
    expect((await openForTest(join(GOLDEN, 'llama-longrope'))).architecture.nPositions).toBe(48);
    expect((await openForTest(join(GOLDEN, 'phi3-longrope'))).architecture.nPositions).toBe(48);
  });
});
