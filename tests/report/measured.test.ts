/** A page never shows the figures of one evaluation under the settings of another run. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVALUATE_DEFAULTS } from '../../src/evaluate/evaluate.js';
import { writeJson } from '../../src/formats/atomic-file.js';
import { PRESETS } from '../../src/masks/settings.js';
import { packageFile } from '../../src/package-file.js';
import { reportPage } from '../../src/report/html.js';
import { differences } from '../../src/report/measured.js';
import { writeReport } from '../../src/report/write-report.js';
import { type CommonSettings, evaluateOnly, trainOnly } from '../../src/run/commands.js';
import { parseHtml } from '../support/parse-html.js';
import { reportedRun } from '../support/run-fixture.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

it('masks trained on one task and measured on another, under another rule', async () => {
  const common: CommonSettings = {
    model: packageFile('models/embedded'),
    form: 'reference',
    bos: 'auto',
    store: join(folder, 'store'),
    storeDtype: 'f32',
    workers: 1,
    memory: null,
    components: null,
    engine: 'wasm',
    basis: 'svd',
    basisSeed: 0,
    positions: 'last',
    replacement: 'interchange',
    seed: 0,
  };
  const out = join(folder, 'run');
  const counts = { train: 32, validation: 8, test: 8 };
  await trainOnly({
    common,
    data: { task: 'ioi', counts, aligned: false, seed: 0 },
    train: { ...PRESETS.default, steps: 2, roundingSteps: 1 },
    out,
    resume: false,
  });
  const metrics = await evaluateOnly({
    common: { ...common, replacement: 'mean' },
    data: { task: 'gendered-pronoun', counts, aligned: false, seed: 0 },
    evaluate: { ...EVALUATE_DEFAULTS, controlSeeds: 0, resamples: 20 },
    masks: join(out, 'masks.safetensors'),
    out: null,
  });
  await writeJson(join(out, 'metrics.json'), metrics);
  const elements = parseHtml(readFileSync(await writeReport(out), 'utf8'));
  const texts = (name: string, kind?: string) =>
    elements
      .filter((element) => element.name === name && (!kind || element.attributes.class === kind))
      .map(({ text }) => text);
  expect(texts('caption')[0]).toBe(
    'test: task gendered-pronoun, seed 0; 8 prompts; positions last, replacement mean',
  );
  expect(texts('p', 'dim')[0]).toBe('task gendered-pronoun, seed 0');
  expect(texts('p', 'notice')).toContain(
    'The figures were not measured as the run was made: replacement mean (the run: interchange); ' +
      'test prompts task gendered-pronoun, seed 0 (the run: task ioi, seed 0).',
  );
});

describe('differences', () => {
  const { manifest, metrics } = reportedRun();

  it('are none where a run measured itself', () => {
    expect(differences(metrics, manifest)).toEqual([]);
    expect(reportPage(reportedRun())).not.toContain('class="notice"');
  });

  it.each([
    ['positions', 'all', 'positions all (the run: last)'],
    ['replacement', 'zero', 'replacement zero (the run: interchange)'],
    ['threshold', 0.3, 'threshold 0.3 (the run: 0.5)'],
    ['seed', 8, 'seed 8 (the run: 7)'],
    ['weight_form', 'folded', 'weight form folded (the run: reference)'],
  ])('name %s', (key, value, text) => {
    expect(differences({ ...metrics, measured: { ...metrics.measured, [key]: value } }, manifest)).toEqual([
      text,
    ]);
  });

  it('name other prompts, also those of the same name', () => {
    const test = { ...metrics.splits.test!, hash: 'ee'.repeat(32) };
    expect(differences({ ...metrics, splits: { test } }, manifest)).toEqual([
      "test prompts called task ioi, seed 7 as the run's, but others",
    ]);
  });
});
