/** `orthoscope trace`: one prompt on one screen. */
import { type MarkedPart, type Trace, trace as tracePrompt } from '../../src/commands/trace.js';
import { decimal, percent } from '../../src/report/figures.js';
import { alignLeft, alignRight, besides } from '../../src/report/table.js';
import { complete } from '../../src/settings/complete.js';
import type { Handler } from '../context.js';

export const trace: Handler<'trace'> = async (settings, context) => {
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
    `${head.head} at ${head.query} ${quoted(tokens[head.query]!)} looks at`,
    '',
    sideBySide(
      keysTable(found, top),
      partsTable(`score at ${head.key} ${quoted(tokens[head.key]!)}`, head.score, top),
    ),
  ];
  if (parts.directions.some(({ in_circuit }) => in_circuit)) lines.push('', '● in the circuit');
  return lines.join('\n');
}

function nextTable({ next_tokens }: Trace): string {
  const columns = [alignLeft(['next token', ...next_tokens.map(({ token }) => quoted(token))])];
  for (const which of ['full', 'circuit', 'changed'] as const)
    if (next_tokens.some((next) => next[which] !== null))
      columns.push(alignRight([which, ...next_tokens.map((next) => percent(next[which]))]));
  return besides(columns);
}

/** The largest parts, and what all others come to. */
function partsTable(heading: string, parts: readonly MarkedPart[], top: number): string[] {
  const shown = parts.slice(0, top);
  const rest = parts.slice(top);
  const total = rest.reduce((sum, { value }) => sum + value, 0);
  const names = shown.map(({ name }) => name);
  const values = shown.map(({ value }) => signed(value));
  if (rest.length > 0) {
    names.push(`${rest.length} others`);
    values.push(signed(total));
  }
  const marks = shown.map(({ in_circuit }) => (in_circuit ? '●' : ' '));
  return besides([
    alignLeft([heading, ...names]),
    alignRight(['adds', ...values]),
    [' ', ...marks, ...(rest.length > 0 ? [' '] : [])],
  ]).split('\n');
}

function keysTable({ tokens, head }: Trace, top: number): string[] {
  const keys = head.keys
    .map((key, at) => ({ ...key, at }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, top);
  const columns = [
    alignLeft(['token', ...keys.map(({ at }) => `${at} ${quoted(tokens[at]!)}`)]),
    alignRight(['attention', ...keys.map(({ weight }) => percent(weight))]),
    alignRight(['score', ...keys.map(({ score }) => decimal(score, 2))]),
  ];
  if (keys.some(({ adds }) => adds !== null))
    columns.push(alignRight(['adds', ...keys.map(({ adds }) => signed(adds!))]));
  return besides(columns).split('\n');
}

function sideBySide(left: string[], right: string[]): string {
  const width = Math.max(...left.map(({ length }) => length));
  const rows = Math.max(left.length, right.length);
  return Array.from({ length: rows }, (_, at) =>
    `${(left[at] ?? '').padEnd(width)}    ${right[at] ?? ''}`.trimEnd(),
  ).join('\n');
}

/** `+0.12`. */
function signed(value: number): string {
  const text = decimal(value);
  return value > 0 ? `+${text}` : text;
}

function quoted(token: string): string {
  return JSON.stringify(token);
}
