/** A picture of what circuits of growing size keep, a curve a method. */
import type { Method } from '../evidence/compare-file.js';
import { type Axis, linearAxis, logAxis } from './axis.js';
import { html, type Markup } from './markup.js';

/** In the units of the drawing, which the page scales to the room there is. */
const WIDTH = 420;
const HEIGHT = 260;
const PLOT = { left: 52, right: WIDTH - 12, top: 12, bottom: HEIGHT - 34 };

/** f beyond this is drawn at it: one wild curve must not flatten the others. */
const HIGHEST = 1.5;
/** KL below this is drawn at it. */
const LEAST = 1e-4;

const TITLES = { f: 'f, faithfulness', kl: 'KL (nats, logarithmic)' } as const;

export function sizeCurve(methods: readonly Method[], figure: keyof typeof TITLES): Markup | null {
  const series = methods.map(({ cuts }) =>
    cuts.flatMap(({ size, [figure]: value }) => (size === null || value === null ? [] : [{ size, value }])),
  );
  const values = series.flat().map(({ value }) => value);
  if (values.length === 0) return null;
  const x = logAxis(1e-3, 1);
  const y = figure === 'f' ? linearAxis(HIGHEST) : logAxis(LEAST, Math.max(...values, 10 * LEAST));
  const low = figure === 'f' ? 0 : LEAST;
  const high = figure === 'f' ? HIGHEST : Number.POSITIVE_INFINITY;
  const across = (size: number) => tenth(PLOT.left + x.place(size) * (PLOT.right - PLOT.left));
  const up = (value: number) => {
    const shown = Math.min(high, Math.max(low, value));
    return tenth(PLOT.bottom - y.place(shown) * (PLOT.bottom - PLOT.top));
  };
  return html`<figure>
<figcaption>${TITLES[figure]}, by share of the directions kept</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${TITLES[figure]} by size, a curve for each of ${methods.length} rankings; the tables hold the same figures">
${grid(y, up)}
${x.ticks.map(
  ({ value, label }) =>
    html`<text class="tick" x="${across(value)}" y="${PLOT.bottom + 16}" text-anchor="middle">${label}</text>
`,
)}${series.map((points, at) => {
  const path = points
    .map(({ size, value }, i) => `${i === 0 ? 'M' : 'L'}${across(size)} ${up(value)}`)
    .join('');
  const dashed = methods[at]!.ranking === 'absolute' ? ' dashed' : '';
  return html`<path class="curve series-${at % 8}${dashed}" d="${path}"/>
`;
})}</svg>
</figure>`;
}

function grid({ ticks }: Axis, up: (value: number) => number): Markup[] {
  return ticks.map(
    ({ value, label }) => html`<path class="grid" d="M${PLOT.left} ${up(value)}H${PLOT.right}"/>
<text class="tick" x="${PLOT.left - 6}" y="${up(value) + 4}" text-anchor="end">${label}</text>
`,
  );
}

/** A tenth of a unit is finer than any screen. */
function tenth(place: number): number {
  return Math.round(10 * place) / 10;
}
