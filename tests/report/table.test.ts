import { expect, it } from 'vitest';
import { resultTable } from '../../src/report/table.js';
import { reportedRun, withoutAnswers } from '../support/run-fixture.js';

it('shows the model, the masks and every control, in 80 columns', () => {
  const table = resultTable(reportedRun().metrics);
  expect(`\n${table}\n`).toMatchInlineSnapshot(`
    "
    test: task ioi, seed 7; 1,000 prompts; positions last, replacement interchange
    290 of 2,068 directions kept; sparsity 86.0 %

                       kept  KL (nats)  exact match  accuracy  logit diff  faithful
    full model        2,068          –            –   >99.9 %       5.400         –
    soft masks          290      0.018       97.5 %    97.1 %       5.100     0.944
    circuit             290      0.021       96.5 %    97.1 %       5.100     0.944
    attacked            290      0.830       62.0 %    61.0 %       3.200         –
    random              290      6.312        3.1 %     2.5 %       0.300     0.020
    random by kind      290      5.918        3.1 %     2.5 %       0.300     0.020
    top σ               290      4.600        3.1 %     2.5 %       0.300     0.020
    complement      1,778.3      4.010        3.1 %     2.5 %       0.300     0.020
    all kept          2,068     <0.001      100.0 %    99.5 %       0.300     1.000
    none kept             0     10.104        3.1 %     2.5 %       0.300     0.000

                 full model              circuit                random
    KL (nats)          –                  0.021 [0.018, 0.025]   6.312 ± 0.213
    exact match        –                 96.5 % [95.4, 97.5]     3.1 % ± 1.2
    accuracy     >99.9 % [>99.9, 100.0]  97.1 % [96.1, 98.1]     2.5 % ± 1.1
    logit diff     5.400 [5.300, 5.500]   5.100 [5.000, 5.200]   0.300 ± 0.100
    prob diff      0.981 [0.972, 0.988]   0.962 [0.951, 0.972]  <0.001 ± 0.002
    faithful           –                  0.944 [0.931, 0.957]   0.020 ± 0.018

    [low, high]: bootstrap interval over prompts; ± standard deviation over 5 draws
    controls were measured on 200 of the 1,000 prompts
    faithful: 0 none kept, 1 full model; denominator near 0 on 12 of 1,000 prompts

    The circuit breaks: an adversary drives its KL from 0.021 to 0.830.
    A random set of its size: KL from 6.310 to 7.200.
    Adversary: 10 steps of 0.1, 2 starts, on 32 pairs of train; measured on 128.
    Shares at random: KL 0.019 (uniform), 0.024 (0 or 1).

    left out, but not inert  share  its part (nats)  KL falls without it by
    L0H0.qk.3                 1.00            0.400                   0.500
    L0H1.qk.0                 0.25            0.100                       –
    "
  `);
  for (const line of table.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

it('says nothing of the prompts of controls that were measured on all', () => {
  const { metrics } = reportedRun();
  const controls = metrics.splits.test!.controls!;
  for (const control of Object.values(controls)) delete control.n;
  expect(resultTable(metrics)).not.toContain('controls were measured');
});

it('shows the masks before rounding, as learned and cut, where all are 0 or 1', () => {
  const names = resultTable(reportedRun({ soft: false }).metrics)
    .split('\n\n')[1]!
    .split('\n')
    .map((line) => line.split(/ {2,}/)[0]);
  expect(names.slice(1, 5)).toEqual(['full model', 'soft masks', 'soft, cut', 'circuit']);
});

it('leaves out controls, and scores that need answers', () => {
  expect(`\n${resultTable(withoutAnswers(reportedRun().metrics))}\n`).toMatchInlineSnapshot(`
    "
    test: task ioi, seed 7; 1,000 prompts; positions last, replacement interchange
    290 of 2,068 directions kept; sparsity 86.0 %

                 kept  KL (nats)  exact match  accuracy  logit diff  faithful
    full model  2,068          –            –         –           –         –
    soft masks    290      0.018       97.5 %         –           –         –
    circuit       290      0.021       96.5 %         –           –         –

                 full model  circuit
    KL (nats)    –            0.021 [0.018, 0.025]
    exact match  –           96.5 % [95.4, 97.5]

    [low, high]: bootstrap interval over prompts
    "
  `);
});

it('shows each split under its name', () => {
  const { metrics } = reportedRun();
  const { test } = metrics.splits;
  const table = resultTable({ ...metrics, splits: { validation: { ...test!, n: 200 }, test: test! } });
  expect(table.match(/^(validation|test): .* prompts/gm)).toEqual([
    'validation: task ioi, seed 7; 200 prompts',
    'test: task ioi, seed 7; 1,000 prompts',
  ]);
});
