/** `orthoscope heads`: names of heads and directions, with figures. */
import {
  estimateHeads,
  type HeadsOutcome,
  type NamedDirection,
  type NamedHead,
  heads as nameHeads,
} from '../../src/commands/heads.js';
import { PATTERNS } from '../../src/interpret/generic-sequences.js';
import { count, decimal, percent } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';
import { readingEstimateText } from '../estimate-text.js';
import { figures, names } from '../text.js';

export const heads: Handler<'heads'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateHeads(settings, context);
    context.result(estimate, readingEstimateText(estimate));
    return;
  }
  const found = await nameHeads(settings, context);
  context.result(found, headsText(found));
};

/** What the command prints: heads that have a name, and the directions that were asked for. */
export function headsText({ sequences, length, even, heads, directions }: HeadsOutcome): string {
  const named = heads.filter((head) => head.names.length > 0);
  const lines = [
    `${count(sequences)} sequences of ${length} random tokens, each token twice; attention spread evenly gives a key ${percent(even)}`,
    `${named.length} of ${count(heads.length)} heads have a name`,
  ];
  if (named.length > 0) lines.push('', headTable(named));
  if (directions.length > 0) lines.push('', directionTable(directions));
  return lines.join('\n');
}

function headTable(rows: readonly NamedHead[]): string {
  return textTable([
    names(
      'head',
      rows.map(({ head }) => head),
    ),
    names(
      'name',
      rows.map((row) => row.names.join(', ')),
    ),
    ...PATTERNS.map((pattern) =>
      figures(
        pattern,
        rows.map(({ attention }) => percent(attention[pattern])),
      ),
    ),
    figures(
      'copying',
      rows.map(({ copying }) => percent(copying)),
    ),
    figures(
      'anti',
      rows.map(({ anti_copying }) => percent(anti_copying)),
    ),
    names(
      'looks back by',
      rows.map(({ offsets }) =>
        offsets.map(({ offset, share }) => `${offset} (${percent(share)})`).join(', '),
      ),
    ),
  ]);
}

function directionTable(rows: readonly NamedDirection[]): string {
  return textTable([
    names(
      'direction',
      rows.map(({ direction }) => direction),
    ),
    names(
      'name',
      rows.map((row) => row.names.join(', ')),
    ),
    // The head's attention with the direction alone, and without it.
    ...PATTERNS.map((pattern) =>
      figures(
        pattern,
        rows.map(({ alone, without }) =>
          alone && without ? `${percent(alone[pattern])} / ${percent(without[pattern])}` : '',
        ),
      ),
    ),
    figures(
      'copying',
      rows.map(({ copying }) => (copying === null ? '' : decimal(copying, 2))),
    ),
  ]);
}
