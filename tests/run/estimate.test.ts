import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SVD_BASIS } from '../../src/decompose/basis.js';
import { EVALUATE_DEFAULTS } from '../../src/evaluate/evaluate.js';
import { PRESETS } from '../../src/masks/settings.js';
import { packageFile } from '../../src/package-file.js';
import { estimateRun } from '../../src/run/estimate.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const common = {
  model: packageFile('models/embedded'),
  form: 'reference' as const,
  bos: 'auto' as const,
  components: null,
  store: join(folder, 'store'),
  storeDtype: 'f32' as const,
  workers: 2,
  memory: null,
  engine: 'wasm' as const,
  positions: 'last' as const,
  replacement: 'interchange' as const,
  seed: 0,
  ...SVD_BASIS,
};
const data = { task: 'ioi', aligned: false, seed: 0 };

it('says what a run would take, and takes none of it', async () => {
  const estimate = await estimateRun({ common, data, train: PRESETS.default, evaluate: EVALUATE_DEFAULTS });
  expect(estimate.engine).toBe('wasm');
  expect(estimate.workers).toBe(2);
  expect(estimate.steps).toBe(PRESETS.default.steps! + PRESETS.default.roundingSteps);
  expect(estimate.decomposition.missing_layers).toBe(3);
  for (const seconds of Object.values(estimate.seconds)) expect(seconds).toBeGreaterThan(0);
  expect(estimate.memory_bytes).toBeGreaterThan(1e8);
  expect(estimate.disk_bytes).toBeGreaterThan(estimate.decomposition.disk_bytes);
});

it('refuses a memory limit below what one prompt needs', async () => {
  await expect(
    estimateRun({ common: { ...common, memory: 1e8 }, data, train: PRESETS.default }),
  ).rejects.toThrow(/--memory 100 MB: one prompt of \d+ tokens needs/);
});
