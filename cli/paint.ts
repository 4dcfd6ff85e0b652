/**
 * Colours for the terminal. While a text is put together they are marks of Unicode's private use, so that it can be made
 * printable as a whole; a text from outside that held such marks could only be coloured.
 */

/** Marks, by what they begin; each ends with `END`. */
const CODES = {
  strong: '1',
  dim: '2',
  // Black on four shades of blue and of orange, which all eyes tell apart.
  up1: '38;5;16;48;5;195',
  up2: '38;5;16;48;5;153',
  up3: '38;5;16;48;5;111',
  up4: '38;5;16;48;5;75',
  down1: '38;5;16;48;5;230',
  down2: '38;5;16;48;5;223',
  down3: '38;5;16;48;5;215',
  down4: '38;5;16;48;5;208',
} as const;

export type Paint = keyof typeof CODES;

const FIRST = 0xf0000;
const END = String.fromCodePoint(FIRST + 0xfff);
const NAMES = Object.keys(CODES) as Paint[];

/** Pads before it paints: marks have no width. */
export function paint(text: string, how: Paint): string {
  return `${String.fromCodePoint(FIRST + NAMES.indexOf(how))}${text}${END}`;
}

/** A text shaded by a value: blue where it is positive, orange where it is negative, the stronger the larger. */
export function shaded(text: string, value: number, largest: number): string {
  const level = Math.min(4, Math.round((4 * Math.abs(value)) / (largest || 1)));
  return level === 0 ? text : paint(text, `${value > 0 ? 'up' : 'down'}${level}` as Paint);
}

/** Whether standard output takes colours: a terminal does, unless NO_COLOR is set; FORCE_COLOR decides for pipes. */
export function hasColours(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0';
  return process.stdout.isTTY === true && TERM !== 'dumb';
}

/** The text as it is printed: marks become colours, or nothing. */
export function painted(text: string, colours = hasColours()): string {
  return text.replace(/[\u{F0000}-\u{F0FFF}]/gu, (mark) => {
    if (!colours) return '';
    const code = mark === END ? '0' : CODES[NAMES[mark.codePointAt(0)! - FIRST]!];
    return code === undefined ? '' : `\u001b[${code}m`;
  });
}

/** Characters that are seen. */
export function widthOf(text: string): number {
  return painted(text, false).length;
}

const BARS = '▁▂▃▄▅▆▇█';

/** A figure of one line, a bar for each value from 0 to the largest. */
export function sparkline(values: readonly number[]): string {
  const largest = Math.max(...values, 0) || 1;
  return values.map((value) => BARS[Math.min(7, Math.max(0, Math.round((7 * value) / largest)))]).join('');
}
