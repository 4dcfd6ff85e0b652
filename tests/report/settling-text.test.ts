import { expect, it } from 'vitest';
import { reportPage } from '../../src/report/html.js';
import { resultTable } from '../../src/report/table.js';
import { parseHtml } from '../support/parse-html.js';
import { reportedRun } from '../support/run-fixture.js';

const run = reportedRun();
const { settling } = run.metrics;

it.each([
  ['too few steps', { steps: { soft: 1, rounding: 0 } }, '1 step was done'],
  [
    'soft masks moved',
    { drift: { soft: -0.0528, rounding: null } },
    'Σm fell 5.3 % in the last fifth of 160 soft steps',
  ],
  ['soft masks near their start', {}, 'Σm was 2,047 at first and 220 after 160 soft steps'],
  [
    'kept directions moved',
    { drift: { soft: 0, rounding: 0.08 } },
    'Σm rose 8.0 % in the last fifth of 100 rounding steps',
  ],
] as const)(
  'table and page say before any figure that masks had not settled: %s',
  (unsettled, more, reason) => {
    const metrics = { ...run.metrics, settling: { ...settling!, ...more, unsettled } };
    const line = resultTable(metrics).split('\n')[2]!;
    expect(line).toBe(`masks had not settled: ${reason}`);
    expect(line.length).toBeLessThanOrEqual(80);
    const elements = parseHtml(reportPage({ ...run, metrics }));
    const notices = elements.filter(({ attributes }) => attributes.class === 'notice');
    expect(notices[0]!.text).toContain(`When training ended, ${line}.`);
    expect(elements.find(({ name }) => name === 'main')!.text).toMatch(/^\s*So far the circuit keeps/);
  },
);

it('says how training ended, on any page', () => {
  const text = parseHtml(reportPage(run)).find(({ name }) => name === 'main')!.text;
  expect(text).toContain('−0.4 % over that of 160 soft steps, 1.2 % over that of 100 rounding steps');
  expect(text).toContain('31 of 2,068 soft masks lay between 0.05 and 0.95');
  expect(reportPage({ ...run, metrics: { ...run.metrics, settling: null } })).not.toContain('last fifth');
});
