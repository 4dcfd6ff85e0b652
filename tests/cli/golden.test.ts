/** The golden figures through the command line, with pairs given as token ids. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Metrics } from '../../src/evaluate/metrics-file.js';
import { writeMasks } from '../../src/masks/masks-file.js';
import { orthoscopeHere } from '../support/command-here.js';
import { availableEngines } from '../support/engines.js';
import { type GoldenPrompts, goldenPairs } from '../support/golden.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeWith, GPT2_RANDOM, TINY_STORIES } from '../support/test-data.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');

for (const { title, model, directions } of [
  { title: 'a random GPT-2', model: GPT2_RANDOM, directions: 266 },
  { title: 'a trained Llama', model: TINY_STORIES, directions: 1280 },
])
  describeWith(model, `golden figures of ${title} on the command line`, () => {
    const golden = JSON.parse(readFileSync(model.figures, 'utf8'));
    const data = pairsFile(golden, model.path);

    for (const engine of availableEngines())
      for (const at of ['at_init_0.99', 'at_random'])
        it(`evaluate prints the KL ${at} [${engine}]`, async () => {
          const masks = join(folder, `${at}.safetensors`);
          const values = Object.entries<number[]>(golden[at].mask_logits).map(
            ([name, logits]): [string, Float32Array] => [
              name,
              Float32Array.from(logits, (x) => 1 / (1 + Math.exp(-x))),
            ],
          );
          await writeMasks(masks, { values: new Map(values), metadata: {} });
          const out = join(folder, `${basename(model.path)}-${at}-${engine}`);
          const args = ['evaluate', model.path, '--masks', masks, '--data', data, '--out', out];
          const { code, stdout, stderr } = await orthoscopeHere([...args, '--engine', engine, '--json'], {
            cache,
          });
          expect(code, stderr).toBe(0);
          const { test } = (JSON.parse(stdout).metrics as Metrics).splits;
          expect(test!.n).toBe(6);
          expect(Math.abs(test!.kl! - golden[at].kl)).toBeLessThan(1e-3 * golden[at].kl + 2e-6);
          expect(Math.abs(test!.l1 / golden[at].l1 - 1)).toBeLessThan(1e-4);
          expect(test!.directions).toBe(directions);
          expect(test!.accuracy).toBeNull();
          expect(test!.logit_diff).toBeNull();
          expect(test!.exact_match).not.toBeNull();
        });
  });

describe('golden training on the command line', () => {
  const { path: model, figures } = GPT2_RANDOM;
  const golden = JSON.parse(readFileSync(figures, 'utf8'));
  const data = pairsFile(golden, model);

  for (const engine of availableEngines())
    it(`train follows the fifteen steps [${engine}]`, async () => {
      const out = join(folder, `run-${engine}`);
      const args = ['train', model, '--data', data, '--preset', 'reference', '--epochs', '1'];
      const { code, stderr } = await orthoscopeHere([...args, '--out', out, '--engine', engine], { cache });
      expect(code, stderr).toBe(0);
      const history = readFileSync(join(out, 'history.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ validation }) => !validation);
      const { steps } = golden.adamw_15_steps;
      expect(history).toHaveLength(steps.length);
      steps.forEach((wanted: { kl: number; l1: number }, step: number) => {
        expect(history[step]).toMatchObject({ step, epoch: 0 });
        expect(Math.abs(history[step].kl - wanted.kl)).toBeLessThan(0.02 * wanted.kl + 2e-6);
        expect(Math.abs(history[step].l1 / wanted.l1 - 1)).toBeLessThan(1e-4);
      });
      const manifest = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'));
      expect(manifest).toMatchObject({
        status: 'complete',
        command: 'train',
        engine,
        weight_form: 'reference',
      });
    });
});

/** The golden prompts as a file of token ids. */
function pairsFile(golden: GoldenPrompts, model: string): string {
  const path = join(folder, `${basename(model)}.jsonl`);
  const lines = goldenPairs(golden).map(({ clean, corrupted }) =>
    JSON.stringify({ clean_ids: [...clean], corrupted_ids: [...corrupted!] }),
  );
  writeFileSync(path, lines.join('\n'));
  return path;
}
