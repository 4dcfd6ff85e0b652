/** The result table in plain text, for the terminal: at most 80 characters wide. */
import { COLUMNS } from '../evaluate/metrics.js';
import type { Metrics, SplitMetrics } from '../evaluate/metrics-file.js';
import { attackedHow, attackText, controlText, missedRows } from './attack-text.js';
import { controlsText } from './controls-text.js';
import { coverageText } from './coverage.js';
import { count, decimal, NONE, percent } from './figures.js';
import { measuredOn } from './measured.js';
import { type MasksRow, masksRows } from './result-rows.js';
import { unsettledText } from './settling-text.js';
import { type TextColumn, textTable } from './text-table.js';

/** A table for each split, under what it was measured on and the circuit's size. No newline at the end. */
export function resultTable(metrics: Metrics): string {
  return Object.entries(metrics.splits)
    .map(([name, split]) => splitTable(name, split, metrics))
    .join('\n\n');
}

function splitTable(name: string, split: SplitMetrics, metrics: Metrics): string {
  const { active, directions, relative_sparsity } = split.binarised;
  const rows = masksRows(split, metrics.measured.threshold);
  const columns = COLUMNS.filter(({ column }) => column === 'narrow').map(
    ({ key, title }): TextColumn => ({
      heading: title,
      texts: rows.map(({ figures }) => figures[key].value),
      align: 'right',
    }),
  );
  return [
    measuredOn(name, split, metrics),
    `${count(active)} of ${count(directions)} directions kept; sparsity ${percent(relative_sparsity)}`,
    ...[coverageText(metrics), unsettledText(metrics.settling)].filter((line) => line !== null),
    '',
    textTable([{ heading: '', texts: rows.map((row) => row.name), align: 'left' }, ...columns]),
    '',
    spreadTable(rows),
    '',
    ...notes(split),
    ...attackLines(split),
  ].join('\n');
}

/** The circuit's figures with their intervals, between the full model's and, with deviations, the random control's. */
function spreadTable(rows: readonly MasksRow[]): string {
  const circuit = rows.find(({ isCircuit }) => isCircuit)!;
  const metrics = COLUMNS.filter(({ of, key }) => of !== 'masks' && circuit.figures[key].value !== NONE);
  const shown = rows.filter(({ name, isCircuit }) => isCircuit || name === 'full model' || name === 'random');
  return textTable([
    { heading: '', texts: metrics.map(({ title }) => title), align: 'left' },
    ...shown.map(({ name, figures }): TextColumn => {
      const own = metrics.map(({ key }) => figures[key]);
      return {
        heading: name,
        texts: own.map(({ value }) => value),
        spreads: own.map(({ spread }) => spread),
        align: 'right',
      };
    }),
  ]);
}

/** Left-out directions that are named in the terminal; the page and `metrics.json` name more. */
const NAMED = 5;

/** What an adversary made of the circuit, and by what it did. */
function attackLines(split: SplitMetrics): string[] {
  const { attack } = split;
  const text = attackText(split);
  if (!attack || text === null) return [];
  const { random } = attack;
  const lines = ['', `${text}.`, `${controlText(attack)}.`, `Adversary: ${attackedHow(attack)}.`];
  if (random)
    lines.push(
      `Shares at random: KL ${decimal(random.uniform.mean)} (uniform), ${decimal(random.bernoulli.mean)} (0 or 1).`,
    );
  const rows = missedRows(attack, NAMED);
  if (rows.length === 0) return lines;
  const column = (
    heading: string,
    key: keyof (typeof rows)[number],
    align: TextColumn['align'] = 'right',
  ) => ({
    heading,
    texts: rows.map((row) => row[key]),
    align,
  });
  return [
    ...lines,
    '',
    textTable([
      column('left out, but not inert', 'name', 'left'),
      column('share', 'share'),
      column('its part (nats)', 'part'),
      column('KL falls without it by', 'returns'),
    ]),
  ];
}

/** What signs stand for, and what a reader might take for more than it is. */
export function notes(split: SplitMetrics): string[] {
  const { denominator, n } = split;
  const controls = controlsText(split);
  const always = [spreadNote(split), ...(controls === null ? [] : [controls])];
  if (!denominator) return always;
  const near = denominator.near_zero === 0 ? 'none' : count(denominator.near_zero);
  return [
    ...always,
    `faithful: 0 none kept, 1 full model; denominator near 0 on ${near} of ${count(n)} prompts`,
  ];
}

/** What brackets and ± stand for. */
function spreadNote({ controls }: SplitMetrics): string {
  const interval = '[low, high]: bootstrap interval over prompts';
  const seeds = controls?.random.seeds;
  return seeds === undefined ? interval : `${interval}; ± standard deviation over ${count(seeds)} draws`;
}
