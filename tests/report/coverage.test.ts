import { expect, it } from 'vitest';
import { coverageText } from '../../src/report/coverage.js';
import { reportPage } from '../../src/report/html.js';
import { resultTable } from '../../src/report/table.js';
import { reportedRun } from '../support/run-fixture.js';

const run = reportedRun();

it('says nothing where all components are masked', () => {
  expect(coverageText(run.metrics)).toBeNull();
});

it('says what is masked and what runs whole', () => {
  const coverage = {
    qk: { components: 16, masked: 16, whole_directions: 0 },
    ov: { components: 16, masked: 1, whole_directions: 495 },
    mlp_in: { components: 4, masked: 0, whole_directions: 516 },
    mlp_out: { components: 4, masked: 0, whole_directions: 512 },
  };
  const metrics = { ...run.metrics, coverage };
  const text = 'masked: qk, 1 of 16 ov; the other 23 components run whole, 1,523 directions';
  expect(coverageText(metrics)).toBe(text);
  expect(resultTable(metrics)).toContain(`\n${text}\n`);
  expect(reportPage({ ...run, metrics })).toContain(text);
});
