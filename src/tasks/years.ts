/** How a tokenizer writes four-digit years, which decides what greater-than can score. */
import type { Tokenizer } from '../formats/tokenizer.js';
import { follow } from './token-fit.js';

/** A year as two digits and two digits. */
export interface Year {
  century: string;
  end: string;
}

const CENTURIES = ['11', '12', '13', '14', '15', '16', '17', '18'];

/** `00` … `99`. */
export const ENDS = Array.from({ length: 100 }, (_, end) => String(end).padStart(2, '0'));

/** Every year that leaves room for an earlier and a later end in its century. */
export const YEARS: Year[] = CENTURIES.flatMap((century) =>
  ENDS.slice(1, -1).map((end) => ({ century, end })),
);

export interface YearForm {
  /** Digits in the token that follows the century: 2 for `17|41`, 1 for `1|7|4|1`. */
  width: 1 | 2;
  /** ids[v]: the token that continues a century with the value v; 100 or 10 different ones. */
  ids: number[];
}

/** The form in which a tokenizer writes years, or null if the century's tokens do not stand alone (`174|1`). */
export function yearForm(tokenizer: Tokenizer): YearForm | null {
  tokenizer.encodeAhead(YEARS.map(({ century, end }) => afterYear(century) + end));
  for (const width of [2, 1] as const) {
    const texts = ENDS.slice(0, 10 ** width).map((end) => end.slice(-width));
    // Where a whole year is one token (` 1700`), `continuation` gives the token of the digits by themselves.
    const tokens = texts.map((digits) => tokenizer.continuation(afterYear(CENTURIES[0]!), digits));
    const form = { width, ids: tokens.flat() };
    const different = new Set(form.ids).size === texts.length && tokens.every(({ length }) => length === 1);
    if (different && YEARS.some((year) => hasForm(tokenizer, year, form))) return form;
  }
  return null;
}

function afterYear(century: string): string {
  return `to the year ${century}`;
}

/** What the token after the century says of a year: its end's value, or the tens digit. */
export function scoredValue({ end }: Year, { width }: YearForm): number {
  return Number(end.slice(0, width));
}

/** True if the year's tokens are its century's, followed by those of the form. */
export function hasForm(tokenizer: Tokenizer, { century, end }: Year, { width, ids }: YearForm): boolean {
  const values = width === 2 ? [Number(end)] : [...end].map(Number);
  const tokens = follow(tokenizer, afterYear(century), end);
  return tokens?.length === values.length && values.every((value, i) => tokens[i] === ids[value]);
}
