import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { estimateEvaluate } from '../../src/commands/evaluate.js';
import { estimateRun } from '../../src/commands/run.js';
import { estimateTrain } from '../../src/commands/train.js';
import { writeMasks } from '../../src/masks/masks-file.js';
import { PRESETS } from '../../src/settings/train-settings.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const given = { task: 'ioi', store: join(folder, 'store'), workers: 2, engine: 'wasm' } as const;

it('says what a run would take, and takes none of it', async () => {
  const estimate = await estimateRun(given);
  expect(estimate.engine).toBe('wasm');
  expect(estimate.workers).toBe(2);
  expect(estimate.steps).toBe(PRESETS.default.steps! + PRESETS.default.roundingSteps);
  expect(estimate.decomposition.missing_layers).toBe(3);
  for (const seconds of Object.values(estimate.seconds)) expect(seconds).toBeGreaterThan(0);
  expect(estimate.memory_bytes).toBeGreaterThan(1e8);
  expect(estimate.disk_bytes).toBeGreaterThan(estimate.decomposition.disk_bytes);
});

it('foresees what the page takes, where there is one with readings', async () => {
  const [some, more, none] = [
    await estimateRun({ ...given, pagePrompts: 1 }),
    await estimateRun({ ...given, pagePrompts: 500, testPairs: 500 }),
    await estimateRun({ ...given, pagePrompts: 0 }),
  ];
  expect(more.seconds.read).toBeGreaterThan(some.seconds.read);
  expect(none.seconds.read).toBe(0);
  expect(none.memory_bytes).toBeLessThanOrEqual(some.memory_bytes);
  const others = await estimateRun({ ...given, basis: 'coordinates' });
  expect(others.seconds.read).toBe(0);
});

it('refuses a memory limit below what one prompt needs', async () => {
  await expect(estimateTrain({ ...given, model: 'embedded', memory: 1e8 })).rejects.toThrow(
    /--memory 100 MB: one prompt of \d+ tokens needs/,
  );
});

it('says what an evaluation of masks would take', async () => {
  const masks = join(folder, 'masks.safetensors');
  await writeMasks(masks, { values: new Map([['L0H0.qk', new Float32Array(16).fill(0.5)]]), metadata: {} });
  const asked = { run: 'embedded', masks, testPairs: 50, attack: 0, ...given };
  const few = await estimateEvaluate({ ...asked, controlSeeds: 1 });
  const many = await estimateEvaluate({ ...asked, controlSeeds: 20 });
  expect(few).toMatchObject({ steps: 0, seconds: { train: 0 }, decomposition: { missing_layers: 3 } });
  expect(few.seconds.evaluate).toBeGreaterThan(0);
  expect(many.seconds.evaluate).toBeGreaterThan(2 * few.seconds.evaluate);
});

it('counts validations on the training pairs where there are no others', async () => {
  const data = join(folder, 'pairs.jsonl');
  const line = (id: number) => ({
    id: String(id),
    clean_ids: [1, 2, 3],
    corrupted_ids: [1, 2, 4],
    answer_id: 5,
  });
  writeFileSync(data, Array.from({ length: 40 }, (_, id) => `${JSON.stringify(line(id))}\n`).join(''));
  const asked = { model: 'embedded', ...given, task: null, data, steps: 20, roundingSteps: 0, batchSize: 4 };
  const seldom = await estimateTrain({ ...asked, validateEvery: 20 });
  const often = await estimateTrain({ ...asked, validateEvery: 1 });
  expect(often.seconds.train).toBeGreaterThan(2 * seldom.seconds.train);
});
