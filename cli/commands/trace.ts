/** `orthoscope trace`: one prompt on one screen. */
import {
  estimateTrace,
  type MarkedPart,
  type Trace,
  trace as tracePrompt,
} from '../../src/commands/trace.js';
import { decimal, percent } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import { complete } from '../../src/settings/complete.js';
import type { Handler } from '../context.js';
import { readingEstimateText } from '../estimate-text.js';
import { figures, names, quoted, sideBySide, signed } from '../text.js';

export const trace: Handler<'trace'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateTrace(settings, context);
    context.result(estimate, readingEstimateText(estimate));
    return;
  }
  const found = await tracePrompt(settings, context);
  context.result(found, traceText(found, settings.top ?? complete('trace', { run: '.', prompt: '.' }).top));
};

/** What the command prints: `top` rows of each table. */
export function traceText(found: Trace, top: number): string {
  const { tokens, contrast, logit_difference: difference, kl, parts, head } = found;
  const named = (ids: string[]) => ids.map(quoted).join(' ');
  const { embedding, position, bias, final_scale } = parts;
  const sum = [
    `embedding ${signed(embedding)}`,
    `position ${signed(position)}`,
    `unembedding's bias ${signed(bias)}`,
  ];
  const lines = [
    tokens.map((token, at) => `${at}${quoted(token)}`).join(' '),
    '',
    nextTable(found),
    '',
    `logit difference ${named(contrast.answers)} against ${named(contrast.distractors)}: ${decimal(difference.full, 3)}` +
      (difference.circuit === null ? '' : `, of the circuit ${decimal(difference.circuit, 3)}`) +
      (difference.changed === null
        ? ''
        : `, changed ${decimal(difference.changed, 3)} (KL ${decimal(kl, 3)})`),
    `it is the sum of all that is written at the last token (final norm at ${decimal(final_scale)}): ${sum.join(', ')}, and`,
    '',
    sideBySide(
      partsTable('component', parts.components, top),
      partsTable('direction', parts.directions, top),
    ),
    '',
    ...labelLines(parts.directions.slice(0, top)),
    `${head.head} at ${head.query} ${quoted(tokens[head.query]!)} looks at`,
    '',
    sideBySide(
      keysTable(found, top),
      partsTable(`score at ${head.key} ${quoted(tokens[head.key]!)}`, head.score, top),
    ),
  ];
  lines.push(...labelLines(head.score.slice(0, top)));
  if (parts.directions.some(({ in_circuit }) => in_circuit)) lines.push('', '● in the circuit');
  return lines.join('\n');
}

/** What is known of the directions of a table; no lines where nothing is. */
function labelLines(parts: readonly MarkedPart[]): string[] {
  const lines = parts.flatMap(({ name, label }) => (label === null ? [] : [`  ${name}  ${label}`]));
  return lines.length === 0 ? [] : [...lines, ''];
}

function nextTable({ next_tokens }: Trace): string {
  const shown = (['full', 'circuit', 'changed'] as const).filter((which) =>
    next_tokens.some((next) => next[which] !== null),
  );
  return textTable([
    names(
      'next token',
      next_tokens.map(({ token }) => quoted(token)),
    ),
    ...shown.map((which) =>
      figures(
        which,
        next_tokens.map((next) => percent(next[which])),
      ),
    ),
  ]);
}

/** The largest parts, and what all others come to. */
function partsTable(heading: string, parts: readonly MarkedPart[], top: number): string {
  const rest = parts.slice(top);
  const total = rest.reduce((sum, { value }) => sum + value, 0);
  const rows = parts
    .slice(0, top)
    .map(({ name, value, in_circuit }) => ({ name, value, mark: in_circuit ? '●' : ' ' }));
  if (rest.length > 0) rows.push({ name: `${rest.length} others`, value: total, mark: ' ' });
  return textTable([
    names(
      heading,
      rows.map(({ name }) => name),
    ),
    figures(
      'adds',
      rows.map(({ value }) => signed(value)),
    ),
    names(
      '',
      rows.map(({ mark }) => mark),
    ),
  ]);
}

function keysTable({ tokens, head }: Trace, top: number): string {
  const keys = head.keys
    .map((key, at) => ({ ...key, at }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, top);
  const column = (heading: string, text: (key: (typeof keys)[0]) => string) =>
    figures(heading, keys.map(text));
  const adds = keys.some(({ adds }) => adds !== null);
  return textTable([
    names(
      'token',
      keys.map(({ at }) => `${at} ${quoted(tokens[at]!)}`),
    ),
    column('attention', ({ weight }) => percent(weight)),
    column('score', ({ score }) => decimal(score, 2)),
    ...(adds ? [column('adds', ({ adds }) => signed(adds!))] : []),
  ]);
}
