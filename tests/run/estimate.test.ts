import { join } from 'node:path';
import { expect, it } from 'vitest';
import { estimateRun } from '../../src/commands/run.js';
import { estimateTrain } from '../../src/commands/train.js';
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

it('refuses a memory limit below what one prompt needs', async () => {
  await expect(estimateTrain({ ...given, model: 'embedded', memory: 1e8 })).rejects.toThrow(
    /--memory 100 MB: one prompt of \d+ tokens needs/,
  );
});
