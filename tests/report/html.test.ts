import { describe, expect, it } from 'vitest';
import { type ReportedRun, reportPage } from '../../src/report/html.js';
import { resultTable } from '../../src/report/table.js';
import { type Element, parseHtml } from '../support/parse-html.js';
import { reportedRun, withoutAnswers } from '../support/run-fixture.js';

const run = reportedRun();
const elementsOf = (reported: ReportedRun): Element[] => parseHtml(reportPage(reported));
const named = (elements: Element[], name: string) => elements.filter((element) => element.name === name);
const textOf = (elements: Element[]) => named(elements, 'main')[0]!.text;

describe.each<[string, ReportedRun]>([
  ['a run with everything', run],
  ['masks that are 0 or 1', reportedRun({ soft: false })],
  ['a model of many heads', reportedRun({ shape: { nLayers: 30, nHeads: 20, dHead: 4 } })],
  ['no answers, no controls, no training', { ...run, metrics: withoutAnswers(run.metrics), history: [] }],
  ['an empty circuit', { ...run, masks: new Map([...run.masks].map(([name, m]) => [name, m.map(() => 0)])) }],
  ['heads alone', { ...run, masks: new Map([...run.masks].filter(([name]) => name.endsWith('qk'))) }],
  ['MLPs alone', { ...run, masks: new Map([...run.masks].filter(([name]) => name.includes('mlp'))) }],
  ['a training of one step', { ...run, history: run.history.slice(0, 1) }],
  ['a training that diverged', { ...run, history: [{ step: 0, kl: null, l1: null }, ...run.history] }],
])('the page of %s', (_, reported) => {
  const page = reportPage(reported);
  const elements = parseHtml(page);

  it('asks for nothing and runs nothing', () => {
    expect(page).not.toMatch(/https?:|url\(|@import|<script|<link|<iframe/i);
    for (const { attributes } of elements)
      expect(Object.keys(attributes).filter((name) => /^(on|src$|href$|action$)/.test(name))).toEqual([]);
    const policy = elements.find(({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy');
    expect(policy!.attributes.content).toBe("default-src 'none'; style-src 'unsafe-inline'");
  });

  it('can be read without seeing it', () => {
    expect(named(elements, 'html')[0]!.attributes.lang).toBe('en');
    expect(named(elements, 'h1')).toHaveLength(1);
    expect(named(elements, 'caption')).toHaveLength(named(elements, 'table').length);
    for (const svg of named(elements, 'svg')) {
      expect(svg.attributes.role).toBe('img');
      expect(svg.attributes['aria-label']).toMatch(/\w/);
    }
    const ids = elements.flatMap(({ attributes }) => attributes.id ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { attributes } of named(elements, 'section'))
      expect(ids).toContain(attributes['aria-labelledby']);
    for (const { attributes } of named(elements, 'th')) expect(attributes.scope).toMatch(/^(col|row)$/);
  });

  it('holds no figure that is none', () => {
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
    for (const { attributes } of elements)
      for (const name of ['x', 'y', 'cx', 'cy', 'width', 'height', 'fill-opacity'])
        if (attributes[name] !== undefined) expect(Number(attributes[name])).toBeGreaterThanOrEqual(0);
  });
});

describe('what the page shows', () => {
  const elements = elementsOf(run);

  it('has the rows of the terminal table', () => {
    const rows = named(elements, 'tr').map(({ text }) => text);
    const table = resultTable(run.metrics).split('\n\n')[1]!.split('\n').slice(1);
    expect(table).toHaveLength(10);
    for (const line of table) {
      const [name, ...values] = line.trim().split(/ {2,}/);
      const row = rows.find((text) => text.startsWith(name!))!;
      for (const value of values) for (const word of value.split(/ (?=[[±])/)) expect(row).toContain(word);
    }
  });

  it('draws every component, and lists every direction of the circuit', () => {
    const titles = named(elements, 'title').map(({ text }) => text);
    const listed = new Map(
      named(elements, 'tr')
        .map(({ text }) => text)
        .filter((text) => /^L\d/.test(text))
        .map((text) => [/^L\w+\.[a-z_]+/.exec(text)![0], text]),
    );
    for (const [name, masks] of run.masks) {
      const active = masks.filter((mask) => mask > run.metrics.measured.threshold).length;
      expect(titles).toContain(`${name}: ${active} of ${masks.length} directions`);
      expect(listed.has(name)).toBe(active > 0);
    }
  });

  it('draws a dot a validation and a line a phase, in two charts', () => {
    const classes = elements.map(({ attributes }) => attributes.class);
    const validations = run.history.filter(({ validation }) => validation).length;
    expect(classes.filter((name) => name === 'dot')).toHaveLength(2 * validations);
    expect(classes.filter((name) => name === 'curve')).toHaveLength(4);
    expect(classes.filter((name) => name === 'phase')).toHaveLength(2);
    const lengths = elements.flatMap(({ attributes: { class: name, d } }) =>
      name === 'curve' ? d!.split(/[ML]/).length - 1 : [],
    );
    expect(lengths).toEqual([160, 100, 160, 100]);
  });

  it('says what was run, and holds the metrics whole', () => {
    const text = textOf(elements);
    for (const fact of ['tiny-tasks', 'task ioi, seed 7', 'wasm', '1 min 15 s', 'train 1 min 4 s'])
      expect(text).toContain(fact);
    expect(JSON.parse(named(elements, 'pre').at(-1)!.text)).toEqual(run.metrics);
    expect(text).not.toContain('marked as');
  });

  it('shows – where there is nothing to score, and no rows of controls', () => {
    const blank = elementsOf({ ...run, metrics: withoutAnswers(run.metrics) });
    const rows = named(blank, 'tr').map(({ text }) => text);
    expect(rows.find((text) => text.startsWith('circuit'))).toContain('––');
    expect(rows.some((text) => text.startsWith('random'))).toBe(false);
    expect(textOf(blank)).not.toContain('drawn at random');
  });

  it('says so where a run did not end well, or was not trained', () => {
    const failed = { ...run.manifest, status: 'failed' as const, error: 'no memory' };
    expect(textOf(elementsOf({ ...run, history: [] }))).toContain('no record of training');
    expect(reportPage({ ...run, manifest: failed })).toContain('marked as failed: no memory');
  });
});

it('escapes what a run brings along', () => {
  const attack = '<script>alert("1")</script><img src=x onerror=\'1\'>&amp;';
  const { manifest, metrics } = run;
  const page = reportPage({
    ...run,
    manifest: {
      ...manifest,
      status: 'failed',
      error: attack,
      engine: attack,
      weight_form: attack,
      settings: { [attack]: attack, data: attack },
      seeds: { [attack]: 1 },
      versions: { [attack]: attack },
      model: { ...manifest.model, id: attack, path: attack },
      data: { [attack]: { ...manifest.data.test!, source: attack } },
      host: { ...manifest.host, cpu: attack, os: attack, arch: attack },
      seconds: { [attack]: 1 },
    },
    metrics: { ...metrics, splits: { [attack]: metrics.splits.test! } },
  });
  expect(page).not.toMatch(/<script|<img/);
  const elements = parseHtml(page);
  expect(new Set(elements.map(({ name }) => name))).toEqual(new Set(elementsOf(run).map(({ name }) => name)));
  expect(named(elements, 'h1')[0]!.text).toBe(`Circuit of ${attack}`);
});
