/** Words and columns that several commands print alike. */
import { decimal } from '../src/report/figures.js';
import type { TextColumn } from '../src/report/text-table.js';
import { widthOf } from './paint.js';

/** A token as it is spelled, its space visible. */
export function quoted(token: string): string {
  return JSON.stringify(token);
}

/** `+0.120`. */
export function signed(value: number, places?: number): string {
  const text = decimal(value, places);
  return value > 0 ? `+${text}` : text;
}

export function names(heading: string, texts: readonly string[]): TextColumn {
  return { heading, texts, align: 'left' };
}

export function figures(heading: string, texts: readonly string[], spreads?: readonly string[]): TextColumn {
  return { heading, texts, align: 'right', ...(spreads && { spreads }) };
}

/** Two blocks of lines next to each other. */
export function sideBySide(left: string, right: string): string {
  const [first, second] = [left.split('\n'), right.split('\n')];
  const width = Math.max(...first.map(widthOf));
  return Array.from({ length: Math.max(first.length, second.length) }, (_, at) => {
    const line = first[at] ?? '';
    return `${line}${' '.repeat(width - widthOf(line))}    ${second[at] ?? ''}`.trimEnd();
  }).join('\n');
}
