/** Schemas of single values. Each has one message, which says all that is allowed. */
import { z } from 'zod';

/** @param from least, @param above largest that is too small; likewise `to` and `below` */
interface Range {
  from?: number;
  above?: number;
  to?: number;
  below?: number;
}

export function number(range: Range, words = ''): z.ZodNumber {
  const { from = -Infinity, above = -Infinity, to = Infinity, below = Infinity } = range;
  const message = `give a number${rangeText(range)}${words}`;
  let schema = z.number(message);
  if (Number.isFinite(from)) schema = schema.min(from, message);
  if (Number.isFinite(above)) schema = schema.gt(above, message);
  if (Number.isFinite(to)) schema = schema.max(to, message);
  return Number.isFinite(below) ? schema.lt(below, message) : schema;
}

function rangeText({ from, above, to, below }: Range): string {
  const least = from !== undefined ? ` from ${from}` : above !== undefined ? ` above ${above}` : '';
  const most = to !== undefined ? ` to ${to}` : below !== undefined ? ` to below ${below}` : '';
  return least + (most || (from === undefined ? '' : ' up'));
}

export function whole(from: number, to: number = Number.MAX_SAFE_INTEGER): z.ZodInt {
  const most = to < Number.MAX_SAFE_INTEGER ? `to ${to}` : 'up';
  const message = `give a whole number from ${from} ${most}`;
  return z.int(message).min(from, message).max(to, message);
}

export function oneOf<const Choices extends readonly string[]>(choices: Choices) {
  return z.enum(choices, `choose from ${choices.join(', ')}`);
}

/** Several of them, separated by commas on the command line. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.array(item).min(1, 'name one at least');
}

export const text = z.string('give text').min(1, 'is empty; give a value or leave it out');

/** What is given without a flag's name: behind a dash it would be taken for one. */
export const place = text.regex(/^[^-]/, 'begins with a dash; write ./ before it');

/** Part of a list with commas. */
export const word = z
  .string('give text')
  .regex(/^[^\s,]+$/, 'give names without spaces, separated by commas');

export const flag = z.boolean('give true or false');
