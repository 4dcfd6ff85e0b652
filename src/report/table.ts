/** The result table in plain text, for the terminal. */
import type { Metrics, SplitMetrics } from '../evaluate/evaluate.js';
import { count, percent } from './figures.js';
import { type Cell, COLUMNS, type Column, resultRows } from './result-rows.js';

/** What fits 80 characters; the page shows sparsity and the other spreads as well. */
const SHOWN: readonly Column[] = ['kept', 'kl', 'exact_match', 'accuracy', 'prob_diff'];
const GAP = '  ';

/** A table for each split, under a line that names it and the circuit's size. No newline at the end. */
export function resultTable(metrics: Metrics): string {
  return Object.entries(metrics.splits)
    .map(([name, split]) => splitTable(name, split, metrics.threshold))
    .join('\n\n');
}

function splitTable(name: string, split: SplitMetrics, threshold: number): string {
  const { active, directions, relative_sparsity, full_sparsity } = split.binarised;
  const rows = resultRows(split, threshold);
  const columns = [
    alignLeft(['', ...rows.map((row) => row.name)]),
    ...SHOWN.map((column) => {
      const cells = rows.map((row) => row.cells[column]);
      return column === 'kl' ? withSpreads(COLUMNS[column], cells) : withoutSpreads(COLUMNS[column], cells);
    }),
  ];
  return [
    `${name}, ${count(split.n)} prompts; ${count(active)} of ${count(directions)} directions; ` +
      `sparsity ${percent(relative_sparsity)}, full ${percent(full_sparsity)}`,
    '',
    besides(columns),
    '',
    spreadNote(split),
  ].join('\n');
}

/** What brackets and ± stand for. */
export function spreadNote({ controls }: SplitMetrics): string {
  const interval = '[low, high]: bootstrap interval over prompts';
  const seeds = controls?.random.seeds;
  return seeds === undefined ? interval : `${interval}; ± standard deviation over ${count(seeds)} seeds`;
}

/** Values end, and spreads begin, in the same place; the heading stands over both. */
function withSpreads(heading: string, cells: Cell[]): string[] {
  const values = alignRight(cells.map((cell) => cell.value));
  return alignLeft([heading, ...values.map((value, i) => `${value} ${cells[i]!.spread}`)]);
}

function withoutSpreads(heading: string, cells: Cell[]): string[] {
  return alignRight([heading, ...cells.map((cell) => cell.value)]);
}

/** Columns of lines, side by side. */
export function besides(columns: readonly string[][]): string {
  const line = (at: number) => columns.map((column) => column[at]).join(GAP);
  return columns[0]!.map((_, at) => line(at).trimEnd()).join('\n');
}

/** As wide as the widest, flush left. */
export function alignLeft(texts: string[]): string[] {
  return texts.map((text) => text.padEnd(widest(texts)));
}

/** As wide as the widest, flush right. */
export function alignRight(texts: string[]): string[] {
  return texts.map((text) => text.padStart(widest(texts)));
}

function widest(texts: string[]): number {
  return Math.max(...texts.map(({ length }) => length));
}
