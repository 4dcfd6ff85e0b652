/** Tables in plain text, for the terminal. */

export interface TextColumn {
  heading: string;
  /** One per row. */
  texts: readonly string[];
  /** Names and remarks stand at the left, figures at the right. */
  align: 'left' | 'right';
  /** One per row: what follows a figure. Figures end, and spreads begin, in the same place. */
  spreads?: readonly string[];
}

const GAP = '  ';

/** Columns side by side under their headings; no newline at the end. */
export function textTable(columns: readonly TextColumn[]): string {
  const padded = columns.map(linesOf);
  return padded[0]!
    .map((_, row) =>
      padded
        .map((lines) => lines[row])
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
}

/** The heading and the rows of a column, all of one width. */
function linesOf({ heading, texts, align, spreads }: TextColumn): string[] {
  if (!spreads) return padded([heading, ...texts], align);
  const figures = padded(texts, 'right');
  return padded([heading, ...figures.map((figure, row) => `${figure} ${spreads[row]}`)], 'left');
}

function padded(texts: readonly string[], align: 'left' | 'right'): string[] {
  const width = Math.max(...texts.map(({ length }) => length));
  return texts.map((text) => (align === 'left' ? text.padEnd(width) : text.padStart(width)));
}
