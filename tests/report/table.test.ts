import { expect, it } from 'vitest';
import { resultTable } from '../../src/report/table.js';
import { reportedRun, withoutAnswers } from '../support/run-fixture.js';

it('shows the model, the masks and every control, in 80 columns', () => {
  const table = resultTable(reportedRun().metrics);
  expect(`\n${table}\n`).toMatchInlineSnapshot(`
    "
    test, 1,000 prompts; 290 of 2,068 directions; sparsity 86.0 %, full 94.4 %

                       kept  KL (nats)              exact match  accuracy  prob diff
    full model        2,068       –                           –   >99.9 %      0.981
    soft masks          290   0.018 [0.015, 0.021]       97.5 %    97.1 %      0.962
    circuit             290   0.021 [0.018, 0.025]       96.5 %    97.1 %      0.962
    random              290   6.312 ± 0.213               3.1 %     2.5 %     <0.001
    random by kind      290   5.918 ± 0.213               3.1 %     2.5 %     <0.001
    top σ               290   4.600                       3.1 %     2.5 %     <0.001
    inverted        1,778.3   4.010                       3.1 %     2.5 %     <0.001
    all on            2,068  <0.001                     100.0 %    99.5 %      0.981
    all off               0  10.104                       3.1 %     2.5 %     <0.001

    [low, high]: bootstrap interval over prompts; ± standard deviation over 5 seeds
    "
  `);
  for (const line of table.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

it('has no row of soft masks where all are 0 or 1', () => {
  expect(resultTable(reportedRun({ soft: false }).metrics)).not.toContain('soft masks');
});

it('leaves out controls, and scores that need answers', () => {
  expect(`\n${resultTable(withoutAnswers(reportedRun().metrics))}\n`).toMatchInlineSnapshot(`
    "
    test, 1,000 prompts; 290 of 2,068 directions; sparsity 86.0 %, full 94.4 %

                 kept  KL (nats)             exact match  accuracy  prob diff
    full model  2,068      –                           –         –          –
    soft masks    290  0.018 [0.015, 0.021]       97.5 %         –          –
    circuit       290  0.021 [0.018, 0.025]       96.5 %         –          –

    [low, high]: bootstrap interval over prompts
    "
  `);
});

it('shows each split under its name', () => {
  const { metrics } = reportedRun();
  const { test } = metrics.splits;
  const table = resultTable({ ...metrics, splits: { validation: { ...test!, n: 200 }, test: test! } });
  expect(table.match(/^\w+, [\d,]+ prompts/gm)).toEqual(['validation, 200 prompts', 'test, 1,000 prompts']);
});
