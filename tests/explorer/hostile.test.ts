/** A run's folder that somebody else wrote: whatever its texts hold, they stay texts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import type { DirectionCard, Snapshot } from '../../src/explorer/snapshot.js';
import { explorerPage } from '../../src/explorer/write-report.js';
import type { PromptCard } from '../../src/interpret/prompt-card.js';
import { circuitParts } from '../../src/report/circuit.js';
import { masksRows } from '../../src/report/result-rows.js';
import { describeInBrowser } from '../support/browser.js';
import { reportedRun } from '../support/run-fixture.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const TEXTS = [
  '<img src=x onerror="globalThis.hacked = 1">',
  '</script><script>globalThis.hacked = 1</script>',
  '"><svg onload="globalThis.hacked = 1">',
  'javascript:globalThis.hacked=1',
  '\u202e\u2066dna erom\u2069\u0007\u0000',
  '<!--',
  '&lt;b&gt;',
  'x'.repeat(20_000),
];
const HASH = '0'.repeat(64);
const ALL = TEXTS.join(' ');
const path = join(temporaryFolder(), 'report.html');
const url = pathToFileURL(path).href;

beforeAll(async () => {
  const run = reportedRun();
  run.manifest.model.id = ALL;
  run.manifest.notes = TEXTS;
  const { metrics } = run;
  const split = metrics.splits.test!;
  split.source = ALL;
  const components = circuitParts(run.masks, 0.5).map(({ name, kind, layer, head, directions }) => ({
    ...{ name, kind, layer, directions },
    head: head ?? null,
  }));
  const { name, kind, layer, head } = components[0]!;
  const tokens = TEXTS.map((token, id) => ({ id, token, value: 1 / (id + 1) }));
  const card = {
    ...{
      direction: `${name}.0`,
      component: name,
      kind,
      layer,
      head,
      index: 0,
      sigma: 1,
      mask: 1,
      in_circuit: true,
    },
    ...{
      raises: tokens,
      lowers: tokens,
      reads: tokens,
      reads_against: tokens,
      keys: tokens,
      keys_against: tokens,
    },
    neurons: null,
    groups: Object.fromEntries(TEXTS.map((text) => [text, { n: 1, mean: 0, low: null, high: null }])),
    ...{ variance_share: 0.5, adds: null, importance: null, role: null },
    examples: [{ data_set: ALL, end: ALL, value: 1, tokens: TEXTS, values: TEXTS.map(() => 1) }],
  } as DirectionCard;
  const parts = {
    total: 1,
    embedding: 1,
    position: 0,
    bias: 0,
    components: [],
    directions: [],
    other_directions: 0,
  };
  const prompt: PromptCard = {
    ...{ id: ALL, group: ALL, tokens: TEXTS, corrupted: TEXTS, answers: TEXTS, distractors: TEXTS },
    next_tokens: TEXTS.map((token, id) => ({ id, token, full: 0.1, circuit: 0.1 })),
    ...{ kl: 0.1, full: { ...parts, components: TEXTS.map((text) => [text, 0.1]) }, circuit: parts },
    attention: [
      {
        head: ALL,
        full: TEXTS.map((_, q) => TEXTS.slice(0, q + 1).map(() => 1 / (q + 1))),
        kept: null,
        alone: [],
      },
    ],
  };
  const figure = { mean: 2, sd: 1, interval: [1, 3] as [number, number] };
  const snapshot: Snapshot = {
    core: {
      schema_version: 1,
      ...{
        title: `Circuit of ${ALL}`,
        folder: ALL,
        source: ALL,
        split: 'test',
        threshold: 0.5,
        components,
        metrics,
      },
      said: { attack: ALL, control: ALL, unsettled: ALL, rows: masksRows(split, 0.5) },
      verdict: {
        schema_version: 1,
        measured: {
          ...{ model: { id: ALL, hash: HASH }, weight_form: ALL, masks: HASH, source: ALL, hash: HASH },
          ...{ prompts: 2, prompts_of_sets: 1, positions: ALL, replacement: ALL, threshold: 0.5 },
          ...{ seed: 0, draws: 1, alpha: 0.05, choices: { [ALL]: ALL } },
        },
        circuit: { kept: 1, directions: 2, kl: 0, kl_of_nothing: 1 },
        lines: [
          {
            ...{ id: 'equivalence', title: ALL, outcome: 'for', null_hypothesis: ALL },
            ...{ statistic: { name: ALL, value: 1 }, n: { value: 2, of: ALL }, p: 0.5, correction: null },
            ...{ claim: ALL, limit: ALL, file: ALL, numbers: { [ALL]: ALL } },
          },
        ],
        seconds: 1,
      },
      sizes: null,
      ...{ basis: ALL, keeping: { runs: 2, from: 'sweep' } },
      sweep: {
        name: ALL,
        settings: [
          {
            ...{ name: ALL, seeds: 2, pareto: true, own: true, run: ALL },
            ...{ kept: figure, kl: figure, faithfulness: figure },
          },
        ],
        runs: [{ id: ALL, seed: 0, kept: 3, kl: 0.1, own: true }],
        ...{ jaccard: [[1]], agreement: null },
      },
      interventions: [{ folder: ALL, change: ALL, at: ALL, directions: [`${name}.0`], effects: [] }],
      cards: [0],
      prompts: [{ id: ALL, group: ALL, text: ALL }],
      ...{ values: [], live: null },
    },
    values: { masks: Float32Array.from([...run.masks.values()].flatMap((values) => [...values])) },
    cards: [card],
    prompts: [prompt],
  };
  writeFileSync(path, await explorerPage(run, snapshot));
});

describeInBrowser('a hostile page', (visit) => {
  it('runs nothing, asks for nothing, and lets nothing turn its writing around', async () => {
    const { page, complaints, requests } = await visit(url);
    const marks = `pins=L0H0.qk.0&names=${encodeURIComponent(JSON.stringify({ 'L0H0.qk.0': ALL.slice(0, 400) }))}&groups=7&notes=[`;
    const prompt = encodeURIComponent(ALL);
    for (const view of [
      'summary',
      'model',
      'directions',
      'component/L0H0.qk',
      'direction/L0H0.qk.0',
      'sweep',
      'compare',
      'prompts',
      `prompt/${prompt}`,
      'pins',
      'report',
      'direction/__proto__.0',
      'nothing/<b>',
      'direction/%E0%A4%A',
    ]) {
      const name = view.slice(0, 20);
      await page.goto(`${url}#/${view}?${marks}`);
      await page.waitForTimeout(150);
      const text = (await page.locator('#app').textContent())!;
      expect(text.length, name).toBeGreaterThan(100);
      for (const control of ['\u202e', '\u2066', '\u0007']) expect(text, name).not.toContain(control);
      expect(await page.locator('#app img, #app script, #app svg[onload]').count(), name).toBe(0);
      expect(
        await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
        name,
      ).toBeLessThanOrEqual(0);
    }
    expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
    await page.close();
    expect(complaints).toEqual([]);
    expect(requests).toEqual([]);
  });
});
