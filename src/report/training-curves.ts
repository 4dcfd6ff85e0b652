/** Pictures of how training went: KL and the size of the masks by step, in both phases. */
import type { HistoryLine } from '../formats/run-folder.js';
import { type Axis, linearAxis, logAxis } from './axis.js';
import { count, decimal } from './figures.js';
import { html, type Markup } from './markup.js';

/** In the units of the drawing, which the page scales to the room there is. */
const WIDTH = 420;
const HEIGHT = 240;
const PLOT = { left: 52, right: WIDTH - 12, top: 24, bottom: HEIGHT - 34 };

interface Point {
  step: number;
  value: number;
}

interface Chart {
  title: string;
  /** What the picture shows, for those who do not see it. */
  description: string;
  y: Axis;
  /** Joined by a line, one line a phase. */
  lines: Point[][];
  /** Drawn as dots. */
  dots: Point[];
}

/** Two charts, or null where there is nothing to draw. */
export function trainingCurves(history: readonly HistoryLine[]): Markup | null {
  const kl = measured(history, 'kl').filter(({ value }) => value > 0);
  const l1 = measured(history, 'l1');
  if (kl.length === 0 || l1.length === 0) return null;
  const x = linearAxis(Math.max(...history.map(({ step }) => step)));
  const rounding = history.find(({ phase }) => phase === 'rounding')?.step ?? null;
  const charts: Chart[] = [
    {
      title: 'KL (nats, logarithmic)',
      description: `KL by step, ${course(kl, decimal)}.`,
      y: logAxis(Math.min(...valuesOf(kl)), Math.max(...valuesOf(kl))),
      ...seriesOf(kl),
    },
    {
      title: 'Σm, the sum of all masks',
      description: `Sum of all masks by step, ${course(l1, count)}.`,
      y: linearAxis(Math.max(...valuesOf(l1))),
      ...seriesOf(l1),
    },
  ];
  return html`<div class="panels wide">${charts.map((chart) => drawing(chart, x, rounding))}</div>`;
}

interface Measured extends Point {
  phase: unknown;
  validation: boolean;
}

/** What `history.jsonl` records of one measure; JSON has turned what was not finite into null. */
function measured(history: readonly HistoryLine[], measure: string): Measured[] {
  return history.flatMap((line) => {
    const { [measure]: value, step, phase, validation } = line;
    return typeof value === 'number' ? [{ step, value, phase, validation: validation === true }] : [];
  });
}

function seriesOf(points: readonly Measured[]): Pick<Chart, 'lines' | 'dots'> {
  const trained = points.filter(({ validation }) => !validation);
  const phases = [...new Set(trained.map(({ phase }) => phase))];
  return {
    lines: phases.map((phase) => trained.filter((point) => point.phase === phase)),
    dots: points.filter(({ validation }) => validation),
  };
}

function valuesOf(points: readonly Point[]): number[] {
  return points.map(({ value }) => value);
}

function course(points: readonly Point[], text: (value: number) => string): string {
  const [first, last] = [points[0]!, points.at(-1)!];
  return `from ${text(first.value)} at step ${first.step} to ${text(last.value)} at step ${last.step}`;
}

function drawing({ title, description, y, lines, dots }: Chart, x: Axis, rounding: number | null): Markup {
  const across = (step: number) => round(PLOT.left + x.place(step) * (PLOT.right - PLOT.left));
  const up = (value: number) => round(PLOT.bottom - y.place(value) * (PLOT.bottom - PLOT.top));
  const path = (points: Point[]) =>
    points.map(({ step, value }, i) => `${i === 0 ? 'M' : 'L'}${across(step)} ${up(value)}`).join('');
  return html`<figure>
<figcaption>${title}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${description}">
${rounding === null ? null : roundingArea(across(rounding))}
${y.ticks.map(
  ({ value, label }) => html`<path class="grid" d="M${PLOT.left} ${up(value)}H${PLOT.right}"/>
<text class="tick" x="${PLOT.left - 6}" y="${up(value) + 4}" text-anchor="end">${label}</text>
`,
)}${x.ticks.map(
  ({ value, label }) =>
    html`<text class="tick" x="${across(value)}" y="${PLOT.bottom + 16}" text-anchor="middle">${label}</text>
`,
)}<text class="tick" x="${PLOT.right}" y="${HEIGHT - 4}" text-anchor="end">step</text>
${lines.map((points) => html`<path class="curve" d="${path(points)}"/>`)}
${dots.map(
  ({ step, value }) => html`<circle class="dot" cx="${across(step)}" cy="${up(value)}" r="3"/>
`,
)}</svg>
</figure>
`;
}

/** Shades the phase in which masks are rounded, from place `from` to the right edge. */
function roundingArea(from: number): Markup {
  return html`<rect class="phase" x="${from}" y="${PLOT.top}" width="${round(PLOT.right - from)}" height="${PLOT.bottom - PLOT.top}"/>
<text class="tick" x="${PLOT.right}" y="${PLOT.top - 8}" text-anchor="end">masks rounded</text>`;
}

/** A tenth of a unit is finer than any screen. */
function round(place: number): number {
  return Math.round(10 * place) / 10;
}
