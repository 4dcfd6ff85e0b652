/** A page never shows the figures of one evaluation under the settings of another run. */

import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/commands/evaluate.js';
import { train } from '../../src/commands/train.js';
import { writeReport } from '../../src/explorer/write-report.js';
import { reportPage } from '../../src/report/html.js';
import { differences } from '../../src/report/measured.js';
import { parseHtml } from '../support/parse-html.js';
import { reportedRun } from '../support/run-fixture.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();

it('masks trained on one task and measured on another, under another rule', async () => {
  const machine = { store: join(folder, 'store'), workers: 1, engine: 'wasm' as const };
  const { run: trained } = await train({
    ...machine,
    model: 'embedded',
    task: 'ioi',
    trainPairs: 32,
    validationPairs: 8,
    steps: 2,
    roundingSteps: 1,
    out: join(folder, 'run'),
  });
  const { run: measured, report } = await evaluate({
    ...machine,
    run: trained.path,
    task: 'gendered-pronoun',
    testPairs: 8,
    controlSeeds: 0,
    resamples: 20,
    replacement: 'mean',
    out: join(folder, 'measured'),
  });
  const own = textsOf(report);
  expect(own('caption')[0]).toBe(
    'test: task gendered-pronoun, seed 0; 8 prompts; positions last, replacement mean',
  );
  expect(own('p', 'dim')[0]).toBe('task gendered-pronoun, seed 0');
  expect(own('p', 'notice').join()).toContain('When training ended, ');
  const others =
    'replacement mean (the run: interchange); test prompts task gendered-pronoun, seed 0 (the run: task ioi, seed 0)';
  expect(own('dd')).toContain(`masks of the run run, measured otherwise than it was made: ${others}`);

  // Figures that somebody puts under the name of the run they were not made with.
  copyFileSync(measured.file('metrics.json'), trained.file('metrics.json'));
  const mixed = textsOf(await writeReport(trained.path));
  expect(mixed('caption')).toEqual(own('caption'));
  expect(mixed('p', 'notice')).toContain(`The figures were not measured as the run was made: ${others}.`);
});

function textsOf(page: string) {
  // The explorer and its data are no part of the report.
  const elements = parseHtml(readFileSync(page, 'utf8').replace(/<script.*?<\/script>/gs, ''));
  return (name: string, kind?: string) =>
    elements
      .filter((element) => element.name === name && (!kind || element.attributes.class === kind))
      .map(({ text }) => text);
}

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
