/** The report says what was dropped, and is silent about what was kept whole. */
import { expect, test } from 'vitest';
import { emptyReport, keep, reportLines } from '../../src/tasks/report.js';

test('lists, refusals, sizes and notes in plain lines', () => {
  const report = emptyReport({ train: 10, validation: 2, test: 5 });
  expect(keep(report, 'names', ['a', 'bb', 'cc'], (name) => name.length === 2)).toEqual(['bb', 'cc']);
  expect(keep(report, 'nouns', ['x'], () => true)).toEqual(['x']);
  report.refused = { 'a word is unknown in its place': 3 };
  report.made = { train: 5, validation: 1, test: 2 };
  report.notes.push('a note');
  expect(report.lists[0]).toEqual({ list: 'names', kept: 2, of: 3, dropped: ['a'] });
  expect(reportLines(report)).toEqual([
    'pairs (train / validation / test) 5 / 1 / 2 of 10 / 2 / 5 asked for: no more different prompts',
    'names kept 2 of 3',
    'draws refused 3: a word is unknown in its place',
    'a note',
  ]);
});
