import { expect, it } from 'vitest';
import { attackedHow, attackText, missedRows } from '../../src/report/attack-text.js';
import { reportPage } from '../../src/report/html.js';
import { resultTable } from '../../src/report/table.js';
import { reportedRun, withoutAnswers } from '../support/run-fixture.js';

const run = reportedRun();
const test = run.metrics.splits.test!;
const attack = test.attack!;

it('says in one sentence whether the circuit holds', () => {
  expect(attackText(test)).toBe('The circuit breaks: an adversary drives its KL from 0.021 to 0.830');
  // Up to twice its own KL, or 0.05 nats, whichever is more.
  const holds = (kl: number, plain_kl: number) =>
    attackText({ ...test, attack: { ...attack, kl, plain_kl } })!.startsWith('The circuit holds');
  expect(holds(0.05, 0.001)).toBe(true);
  expect(holds(0.051, 0.001)).toBe(false);
  expect(holds(0.2, 0.1)).toBe(true);
  expect(holds(0.21, 0.1)).toBe(false);
});

it('says nothing where nobody attacked', () => {
  const metrics = withoutAnswers(run.metrics);
  expect(attackText(metrics.splits.test!)).toBeNull();
  expect(resultTable(metrics)).not.toContain('Adversary');
  expect(reportPage({ ...run, metrics })).not.toContain('Does it hold?');
});

it('says how the adversary went about it', () => {
  expect(attackedHow(attack)).toBe('10 steps of 0.1, 2 starts, on 32 pairs of train; measured on 128');
});

it('names what was missed in table and page', () => {
  const [first] = missedRows(attack, 1);
  expect(first).toEqual({
    name: `${attack.missed[0]!.component}.3`,
    share: '1.00',
    part: '0.400',
    returns: '0.500',
  });
  for (const text of [resultTable(run.metrics), reportPage(run)]) {
    expect(text).toContain(first!.name);
    expect(text).toContain('an adversary drives its KL from 0.021 to 0.830');
  }
  const [component] = attack.missed_by_component;
  expect(reportPage(run)).toContain(`<code>${component!.component}</code> ${component!.part.toFixed(3)}`);
});
