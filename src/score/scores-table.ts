/** The strongest directions as plain text, for the terminal. */
import { count, decimal, NONE } from '../report/figures.js';
import type { RankedDataSet } from './read-tables.js';

const HEADINGS = ['direction', 'σ', 'mask', 'mean', 'corrupted', 'd', 'AUROC', ''] as const;

/** No newline at the end. */
export function scoresTable({ dataSet, by, positions, rows }: RankedDataSet): string {
  if (rows.length === 0)
    return `${dataSet}, ${count(positions)} positions: too few to rank directions by ${by}`;
  const cells = rows.map((row) => [
    row.direction,
    short(row.sigma),
    decimal(row.mask, 2),
    short(row.mean),
    short(row.mean_corrupted),
    decimal(row.cohens_d, 2),
    decimal(row.auroc, 3),
    row.clustered ? 'clustered' : '',
  ]);
  const table = [[...HEADINGS], ...cells];
  const widths = HEADINGS.map((_, column) => Math.max(...table.map((line) => line[column]!.length)));
  const lines = table.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return [`${dataSet}, ${count(positions)} positions, by ${by}`, '', ...lines].join('\n');
}

function short(value: number | null): string {
  return value === null ? NONE : value.toPrecision(3).replaceAll('-', '−');
}
