/** `orthoscope verdict`: tests a circuit and prints what may be claimed of it. */
import { verdict as judge } from '../../src/commands/verdict.js';
import type { Verdict } from '../../src/evidence/verdict-file.js';
import { duration } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import { verdictHead, verdictRow } from '../../src/report/verdict-text.js';
import type { Handler } from '../context.js';
import { figures, names } from '../text.js';

export const verdict: Handler<'verdict'> = async (settings, context) => {
  const { verdict, file, report } = await judge(settings, context);
  const places = [`verdict ${file}`, ...(report === null ? [] : [`report  ${report}`])];
  context.result({ file, report, ...verdict }, `${verdictText(verdict)}\n\n${places.join('\n')}`);
};

/** What the command prints. */
export function verdictText(verdict: Verdict): string {
  const rows = verdict.lines.map(verdictRow);
  const column = (heading: string, key: 'statistic' | 'p' | 'corrected') =>
    figures(
      heading,
      rows.map((row) => row[key]),
    );
  const table = textTable([
    names(
      'the circuit',
      rows.map(({ title }) => title),
    ),
    names(
      'evidence',
      rows.map(({ outcome }) => outcome),
    ),
    column('statistic', 'statistic'),
    column('p', 'p'),
    column('corrected', 'corrected'),
  ]);
  const sentences = verdict.lines.map(({ title, claim, limit, outcome }) =>
    outcome === 'missing' ? `${title}: ${claim}` : `${title}: ${claim} ${limit}`,
  );
  return [
    verdictHead(verdict),
    '',
    table,
    '',
    ...sentences.map((line) => wrapped(line, 80)),
    '',
    `took ${duration(verdict.seconds)}`,
  ].join('\n');
}

/** Lines of at most so many characters, all but the first indented. */
function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '  ';
    }
    line += (line.trim() === '' ? '' : ' ') + word;
  }
  return [...lines, line].join('\n');
}
