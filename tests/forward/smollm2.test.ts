/** SmolLM2-135M, a real model in float16, against PyTorch (tests/golden/smollm2-135m), on every engine. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTokenizer } from '../../src/formats/tokenizer.js';
import type { Transformer } from '../../src/forward/transformer.js';
import { describeOnEngines } from '../support/engines.js';
import { logSoftmax } from '../support/golden.js';
import { loadPlain, logitsAlong } from '../support/next-tokens.js';
import { openForTest } from '../support/open-model.js';
import { describeWith, goldenFile, SMOLLM2 } from '../support/test-data.js';

describeWith(SMOLLM2, 'SmolLM2-135M', () => {
  const golden = JSON.parse(readFileSync(goldenFile('smollm2-135m/logits.json'), 'utf8')) as {
    prompt: string;
    ids: number[];
    top10_ids: number[];
    top10_logprobs: number[];
    mean_logprob_of_prompt: number;
  }[];

  describeOnEngines('log-probabilities', (engine) => {
    let model: Transformer;

    beforeAll(async () => {
      model = await loadPlain(engine(), await openForTest(SMOLLM2.path));
    });
    afterAll(() => model?.dispose());

    for (const { prompt, ids, top10_ids, top10_logprobs, mean_logprob_of_prompt } of golden)
      it(JSON.stringify(prompt), async () => {
        const tokenizer = await openTokenizer(SMOLLM2.path);
        expect(tokenizer.encode(prompt)).toEqual(ids);
        const after = logSoftmax(await logitsAlong(model, ids));
        const last = after.at(-1)!;
        top10_ids.forEach((id, k) => {
          expect(Math.abs(last[id]! - top10_logprobs[k]!)).toBeLessThan(2e-3);
        });
        const likeliest = [...last.keys()].sort((a, b) => last[b]! - last[a]!).slice(0, 10);
        expect(new Set(likeliest)).toEqual(new Set(top10_ids));
        const mean = ids.slice(1).reduce((sum, id, i) => sum + after[i]![id]! / (ids.length - 1), 0);
        expect(Math.abs(mean - mean_logprob_of_prompt)).toBeLessThan(1e-3);
      });
  });
});
