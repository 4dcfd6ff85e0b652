/** Figures of a PyTorch program on a trained Llama-layout model (../shared), on every engine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import { MaskedModel } from '../../src/forward/masked-model.js';
import type { Transformer } from '../../src/forward/transformer.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { decomposed } from '../support/decomposed.js';
import { describeOnEngines } from '../support/engines.js';
import {
  expectLossAndGradient,
  type GoldenPrompts,
  goldenPairs,
  logSoftmax,
  type MaskPoint,
  masksAt,
} from '../support/golden.js';
import { loadPlain, logitsAfter, logitsAlong, rowsOf } from '../support/next-tokens.js';
import { openForTest } from '../support/open-model.js';
import { describeWith, TINY_STORIES } from '../support/test-data.js';

const MODEL = TINY_STORIES.path;

interface LlamaPoint extends MaskPoint {
  /** For each prompt its likeliest tokens, [id, log-probability]. */
  masked_last_token_log_softmax: [number, number][][];
}

interface Expected {
  name: string;
  tokens: number[];
  last_logits_top10: [number, number][];
  last_logits_sum: number;
  last_logits_l2: number;
  mean_next_token_nll_over_prompt: number;
  greedy_tokens: number[];
  greedy_text: string;
}

describeWith(TINY_STORIES, 'a trained Llama', () => {
  const { cases } = JSON.parse(readFileSync(join(MODEL, 'expected.json'), 'utf8')) as {
    cases: Expected[];
  };

  describeOnEngines('unmasked', (engine) => {
    let model: Transformer;

    beforeAll(async () => {
      model = await loadPlain(engine(), await openForTest(MODEL));
    });

    for (const expected of cases)
      it(`gives the logits of ${JSON.stringify(expected.name)}`, async () => {
        const tokenizer = await openTokenizer(MODEL);
        const ids = tokenizer.encode(expected.name);
        expect(ids).toEqual(expected.tokens);
        const [logits] = await logitsAfter(model, [ids]);
        for (const [id, value] of expected.last_logits_top10)
          expect(Math.abs(logits![id]! - value)).toBeLessThan(1e-3);
        const sum = logits!.reduce((total, value) => total + value, 0);
        const squares = logits!.reduce((total, value) => total + value * value, 0);
        expect(Math.abs(sum / expected.last_logits_sum - 1)).toBeLessThan(1e-4);
        expect(Math.abs(Math.sqrt(squares) / expected.last_logits_l2 - 1)).toBeLessThan(1e-5);

        const after = logSoftmax(await logitsAlong(model, ids.slice(0, -1)));
        const loss = after.reduce((total, row, i) => total - row[ids[i + 1]!]! / after.length, 0);
        expect(Math.abs(loss - expected.mean_next_token_nll_over_prompt)).toBeLessThan(1e-3);
      });

    it('goes on with the expected story', async () => {
      const { tokens, greedy_tokens: story, greedy_text: text, name } = cases[0]!;
      const along = await logitsAlong(model, [...tokens, ...story.slice(0, -1)]);
      const next = along.slice(tokens.length - 1).map((row) => row.indexOf(Math.max(...row)));
      expect(next).toEqual(story);
      const tokenizer = await openTokenizer(MODEL);
      expect(text.startsWith(name)).toBe(true);
      expect(tokenizer.decode([...tokens, ...story])).toContain(text);
    });
  });
});

describeWith(TINY_STORIES, 'golden figures of a Llama', () => {
  const golden = JSON.parse(readFileSync(TINY_STORIES.figures, 'utf8')) as GoldenPrompts & {
    'at_init_0.99': LlamaPoint;
    at_random: LlamaPoint;
  };

  describeOnEngines('masked forward', (engine) => {
    let model: MaskedModel;
    let prepared: PreparedPairs;

    beforeAll(async () => {
      const opened = await openForTest(MODEL);
      model = await MaskedModel.load(engine(), opened, (await decomposed(opened)).decomposition);
      prepared = await PreparedPairs.prepare(model, goldenPairs(golden), {
        replacement: 'interchange',
        seed: 0,
      });
    });

    for (const at of ['at_init_0.99', 'at_random'] as const) {
      it(`gives the masked model ${at}`, async () => {
        const all = golden.clean.map((_, index) => index);
        const baseline = prepared.baseline(all);
        const masks = masksAt(prepared, golden[at]);
        const state = model.forward(prepared.prompts(all), { masks, baseline });
        const logits = model.logits(state);
        const found = logSoftmax(await rowsOf(logits));
        golden[at].masked_last_token_log_softmax.forEach((likeliest, prompt) => {
          for (const [id, value] of likeliest)
            expect(Math.abs(found[prompt]![id]! - value)).toBeLessThan(2e-4);
        });
        tf.dispose([state, logits, baseline] as unknown as tf.TensorContainer);
      });

      for (const tokens of [1000, 20])
        it(`gives loss and gradients ${at}, ${tokens} tokens at a time`, () =>
          expectLossAndGradient(prepared, golden[at], tokens));
    }
  });
});
