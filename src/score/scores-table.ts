/** The strongest directions as plain text, for the terminal. */
import { count, decimal, NONE } from '../report/figures.js';
import { type TextColumn, textTable } from '../report/text-table.js';
import type { RankedDataSet } from './read-tables.js';
import type { DirectionRow } from './tables.js';

/** No newline at the end. */
export function scoresTable({ dataSet, by, positions, rows }: RankedDataSet): string {
  if (rows.length === 0)
    return `${dataSet}, ${count(positions)} positions: too few to rank directions by ${by}`;
  const column = (heading: string, text: (row: DirectionRow) => string): TextColumn => ({
    heading,
    texts: rows.map(text),
    align: 'right',
  });
  const table = textTable([
    { ...column('direction', ({ direction }) => direction), align: 'left' },
    column('σ', ({ sigma }) => short(sigma)),
    column('mask', ({ mask }) => decimal(mask, 2)),
    column('mean', ({ mean }) => short(mean)),
    column('corrupted', ({ mean_corrupted }) => short(mean_corrupted)),
    column('d', ({ cohens_d }) => decimal(cohens_d, 2)),
    column('AUROC', ({ auroc }) => decimal(auroc, 3)),
    column('', ({ clustered }) => (clustered ? 'clustered' : '')),
  ]);
  return [`${dataSet}, ${count(positions)} positions, by ${by}`, '', table].join('\n');
}

function short(value: number | null): string {
  return value === null ? NONE : value.toPrecision(3).replaceAll('-', '−');
}
