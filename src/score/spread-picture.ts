/** How a direction's values are spread, clean above corrupted, on one axis. */
import { html, type Markup } from '../report/markup.js';
import type { DirectionRow } from './tables.js';

/** In pixels. */
const WIDTH = 420;
const NAMES = 76;
const ROW = 26;
const AXIS = 20;

type Side = '' | '_corrupted';

/** Null where nothing was scored. */
export function spreadPicture(row: DirectionRow): Markup | null {
  const sides = (['', '_corrupted'] as const).filter((side) => row[`q50${side}`] !== null);
  if (sides.length === 0) return null;
  const low = Math.min(0, ...sides.map((side) => row[`q01${side}`]!));
  const high = Math.max(0, ...sides.map((side) => row[`q99${side}`]!));
  const range = high > low ? high - low : 1;
  const place = (value: number) => round(NAMES + ((value - low) / range) * (WIDTH - NAMES - 12));
  const height = ROW * sides.length + AXIS;
  const bars = sides.map((side, i) => box(row, side, i * ROW, place));
  const ticks = [...new Set([low, 0, high])].map(
    (value) =>
      html`<text class="tick" x="${place(value)}" y="${height - 5}" text-anchor="${value === low ? 'start' : 'end'}">${label(value)}</text>
`,
  );
  return html`<figure>
<svg width="${WIDTH}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${describe(row, sides)}">
<path class="grid" d="M${place(0)} 0V${height - AXIS}"/>
${bars}${ticks}</svg>
</figure>
`;
}

function box(row: DirectionRow, side: Side, y: number, place: (value: number) => number): Markup {
  const [q01, q25, q50, q75, q99] = (['q01', 'q25', 'q50', 'q75', 'q99'] as const).map((q) =>
    place(row[`${q}${side}`]!),
  );
  const middle = y + ROW / 2;
  return html`<text x="${NAMES - 8}" y="${middle + 4}" text-anchor="end">${name(side)}</text>
<path class="grid" d="M${q01} ${middle}H${q99}"/>
<rect class="${side === '' ? 'bar' : 'track'}" x="${q25}" y="${y + 6}" width="${round(Math.max(1, q75! - q25!))}" height="${ROW - 12}"/>
<path class="curve" d="M${q50} ${y + 3}V${y + ROW - 3}"/>
`;
}

function name(side: Side): string {
  return side === '' ? 'clean' : 'corrupted';
}

function describe(row: DirectionRow, sides: readonly Side[]): string {
  return sides
    .map(
      (side) =>
        `${name(side)}: median ${label(row[`q50${side}`]!)}, middle half ${label(row[`q25${side}`]!)} to ${label(row[`q75${side}`]!)}`,
    )
    .join('; ');
}

function label(value: number): string {
  return value === 0 ? '0' : value.toPrecision(2).replace('-', '−');
}

function round(place: number): number {
  return Math.round(10 * place) / 10;
}
