/** Figures of the published mask code on a small random model (tests/golden/gpt2-random-2l), on every engine. */

import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { MaskedModel } from '../../src/forward/masked-model.js';
import { objective } from '../../src/masks/objective.js';
import { type HistoryLine, trainMasks } from '../../src/masks/train.js';
import { PreparedPairs } from '../../src/pairs/prepared-pairs.js';
import { PRESETS } from '../../src/settings/train-settings.js';
import { decomposed } from '../support/decomposed.js';
import { describeOnEngines, webGpu } from '../support/engines.js';
import {
  expectLossAndGradient,
  type GoldenPrompts,
  goldenPairs,
  logSoftmax,
  type MaskPoint,
  masksAt,
} from '../support/golden.js';
import { rowsOf } from '../support/next-tokens.js';
import { openForTest } from '../support/open-model.js';
import { GPT2_RANDOM } from '../support/test-data.js';

interface Gpt2Point extends MaskPoint {
  masked_last_token_logits_log_softmax: number[][];
}

interface Golden extends GoldenPrompts {
  full_last_token_logits: number[][];
  'at_init_0.99': Gpt2Point;
  at_random: Gpt2Point;
  adamw_15_steps: { steps: { kl: number; l1: number; loss: number; grad_norm: number }[] };
}

const further = await webGpu();

describe('golden figures', () => {
  const golden = JSON.parse(readFileSync(GPT2_RANDOM.figures, 'utf8')) as Golden;
  const pairs = goldenPairs(golden);
  const all = pairs.map((_, index) => index);

  describeOnEngines(
    'masked forward',
    (engine) => {
      let model: MaskedModel;
      let prepared: PreparedPairs;

      beforeAll(async () => {
        const opened = await openForTest(GPT2_RANDOM.path);
        model = await MaskedModel.load(engine(), opened, (await decomposed(opened)).decomposition);
        prepared = await PreparedPairs.prepare(model, pairs, { replacement: 'interchange', seed: 0 });
      });

      it('gives the full model', async () => {
        const logits = prepared.teacher(all);
        expectClose(logSoftmax(await rowsOf(logits)), logSoftmax(golden.full_last_token_logits), 2e-4);
        logits.dispose();
      });

      for (const at of ['at_init_0.99', 'at_random'] as const) {
        it(`gives the masked model ${at}`, async () => {
          const baseline = prepared.baseline(all);
          const state = model.forward(prepared.prompts(all), {
            masks: masksAt(prepared, golden[at]),
            baseline,
          });
          const logits = model.logits(state);
          const found = logSoftmax(await rowsOf(logits));
          expectClose(found, golden[at].masked_last_token_logits_log_softmax, 2e-4);
          tf.dispose([state, logits, baseline] as unknown as tf.TensorContainer);
        });

        // One micro-batch, and several: the batch's loss must not depend on how it is cut.
        for (const tokens of [1000, 20])
          it(`gives loss and gradients ${at}, ${tokens} tokens at a time`, () =>
            expectLossAndGradient(prepared, golden[at], tokens));
      }

      it('follows the fifteen AdamW steps of the reference preset', async () => {
        const history: HistoryLine[] = [];
        await trainMasks(
          {
            directions: model.layout.size,
            pairs: pairs.length,
            evaluate: (indices, masks) => objective(prepared, indices, masks, 'kl', 1000),
            validate: async () => 1,
          },
          { ...PRESETS.reference, epochs: 1 },
          0,
          { onHistory: (line) => void history.push(line) },
        );
        const steps = history.filter(({ validation }) => !validation);
        expect(steps).toHaveLength(golden.adamw_15_steps.steps.length);
        golden.adamw_15_steps.steps.forEach((wanted, step) => {
          const found = steps[step]!;
          expect(Math.abs(found.l1 / wanted.l1 - 1)).toBeLessThan(1e-4);
          expect(Math.abs(found.kl - wanted.kl)).toBeLessThan(0.02 * wanted.kl + 2e-6);
          expect(Math.abs(found.grad_norm! / wanted.grad_norm - 1)).toBeLessThan(5e-3);
        });
      });

      it('frees what it makes', async () => {
        await objective(prepared, all, masksAt(prepared, golden.at_random), 'kl', 1000);
        const before = tf.memory().numTensors;
        await objective(prepared, all, masksAt(prepared, golden.at_random), 'kl', 1000);
        await PreparedPairs.prepare(model, pairs, { replacement: 'interchange', seed: 0 });
        expect(tf.memory().numTensors).toBe(before);
      });
    },
    { further },
  );
});

function expectClose(found: number[][], wanted: number[][], tolerance: number): void {
  const worst = Math.max(
    ...found.flatMap((row, i) => row.map((value, j) => Math.abs(value - wanted[i]![j]!))),
  );
  expect(worst).toBeLessThan(tolerance);
}
