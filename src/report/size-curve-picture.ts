/** Pictures of what circuits of growing size keep: a panel for each family of methods, a curve for each method. */
import type { Comparison, Method } from '../evidence/compare-file.js';
import { FAMILIES, type Family, METHOD_TEXT, methodName, ownCut } from '../evidence/methods.js';
import { RANKING_METHODS, type RankingMethod } from '../settings/choices.js';
import { type Axis, linearAxis, logAxis } from './axis.js';
import { count, decimal } from './figures.js';
import { html, type Markup } from './markup.js';

/** One panel, in the units of its drawing. */
export interface SizePanel {
  title: string;
  /** What the picture shows, for those who do not see it. */
  description: string;
  width: number;
  height: number;
  /** What stands within the `svg` element. */
  drawing: Markup;
}

const WIDTH = 420;
const PLOT = { left: 52, right: WIDTH - 12, top: 22, bottom: 236 };
/** Names of curves below the axis: so many beside each other, rows of this height, the first this far down. */
const LEGEND = { columns: 2, row: 17, top: PLOT.bottom + 44 };

/** f beyond this is drawn at it: one wild curve must not flatten the others. */
const HIGHEST = 1.5;
/** KL below this is drawn at it. */
const LEAST = 1e-4;

export const SIZE_FIGURES = { f: 'Faithfulness f', kl: 'KL (nats, logarithmic)' } as const;
export type SizeFigure = keyof typeof SIZE_FIGURES;

/** How the curves are drawn; the panels tell the rest in words. */
export const SIZE_CURVES_TEXT =
  'Each panel has one family of methods, with the learned masks (thick) and random order (grey) in all of them. Dashed curves rank by signed score, solid ones of the same colour by its size; the vertical line is the size of the learned circuit.';

/** Rankings that every panel has: what the others lie between. */
const REFERENCES = { learned: 'learned', random: 'chance' } as const;

/** Panels of one figure, all with the same axes. @returns none where no method has the figure */
export function sizePanels({ methods, directions, own_size }: Comparison, figure: SizeFigure): SizePanel[] {
  const drawn = methods.filter(({ cuts }) => cuts.some((cut) => cut.size !== null && cut[figure] !== null));
  if (drawn.length === 0) return [];
  // Under the others: the thick curve must not hide thin ones.
  const references = drawn.filter(({ id }) => id in REFERENCES);
  const families = (Object.keys(FAMILIES) as Family[]).map((family) => ({
    title: FAMILIES[family],
    own: drawn.filter(({ id }) => !(id in REFERENCES) && METHOD_TEXT[id].family === family),
  }));
  const some = families.filter(({ own }) => own.length > 0);
  const panels = (some.length > 0 ? some : [{ title: 'Rankings', own: [] }]).map(({ title, own }) => ({
    title,
    shown: [...references, ...own],
  }));
  const rows = Math.max(...panels.map(({ shown }) => Math.ceil(idsOf(shown).length / LEGEND.columns)));
  const values = drawn.flatMap(({ cuts }) => cuts.map((cut) => cut[figure] ?? 0));
  const axes = {
    x: logAxis(1e-3, 1),
    y:
      figure === 'f'
        ? linearAxis(Math.min(HIGHEST, Math.max(1, ...values)))
        : logAxis(LEAST, Math.max(...values, 10 * LEAST)),
  };
  return panels.map(({ title, shown }) => {
    const told = shown.map((method) => `${methodName(method)} ${decimal(ownCut(method)[figure])}`).join('; ');
    return {
      title,
      description: `${SIZE_FIGURES[figure]} by share of the directions kept. At ${count(own_size)} directions: ${told}.`,
      width: WIDTH,
      height: LEGEND.top + LEGEND.row * (rows - 1) + 10,
      drawing: drawing(shown, figure, axes, own_size / directions),
    };
  });
}

/** The panels of one figure for a page; null where no method has the figure. */
export function sizeFigures(comparison: Comparison, figure: SizeFigure): Markup | null {
  const panels = sizePanels(comparison, figure);
  if (panels.length === 0) return null;
  return html`<h3>${SIZE_FIGURES[figure]}</h3>
<div class="panels pairs">
${panels.map(
  ({ title, description, width, height, drawing }) => html`<figure>
<figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${description}">
${drawing}</svg>
</figure>
`,
)}</div>`;
}

/** A method's curves have one class, whether it ranks by score or by size: the same in every picture. */
function kindOf(id: RankingMethod): string {
  if (id in REFERENCES) return REFERENCES[id as keyof typeof REFERENCES];
  const { family } = METHOD_TEXT[id];
  const all = RANKING_METHODS.filter((one) => !(one in REFERENCES) && METHOD_TEXT[one].family === family);
  return `series-${all.indexOf(id)}`;
}

function idsOf(methods: readonly Method[]): RankingMethod[] {
  return [...new Set(methods.map(({ id }) => id))];
}

function drawing(
  methods: readonly Method[],
  figure: SizeFigure,
  { x, y }: Record<'x' | 'y', Axis>,
  circuit: number,
): Markup {
  const [low, high] = figure === 'f' ? [0, HIGHEST] : [LEAST, Number.POSITIVE_INFINITY];
  const across = (size: number) => tenth(PLOT.left + x.place(size) * (PLOT.right - PLOT.left));
  const up = (value: number) => {
    const shown = Math.min(high, Math.max(low, value));
    return tenth(PLOT.bottom - y.place(shown) * (PLOT.bottom - PLOT.top));
  };
  const curve = ({ id, ranking, cuts }: Method) => {
    const points = cuts.flatMap(({ size, [figure]: value }) =>
      size === null || value === null ? [] : [`${across(size)} ${up(value)}`],
    );
    return html`<path class="curve ${kindOf(id)}${ranking === 'signed' ? ' dashed' : ''}" d="M${points.join('L')}"/>
`;
  };
  return html`${y.ticks.map(
    ({ value, label }) => html`<path class="grid" d="M${PLOT.left} ${up(value)}H${PLOT.right}"/>
<text class="tick" x="${PLOT.left - 6}" y="${up(value) + 4}" text-anchor="end">${label}</text>
`,
  )}${x.ticks.map(
    ({ value, label }) =>
      html`<text class="tick" x="${across(value)}" y="${PLOT.bottom + 16}" text-anchor="middle">${label}</text>
`,
  )}<text class="tick" x="${PLOT.right}" y="${PLOT.bottom + 31}" text-anchor="end">share of the directions kept</text>
${circuitLine(circuit, x, across)}${methods.map(curve)}${idsOf(methods).map((id, at) => {
  const left = 12 + (at % LEGEND.columns) * (WIDTH / LEGEND.columns);
  const middle = LEGEND.top + LEGEND.row * Math.floor(at / LEGEND.columns);
  return html`<path class="curve ${kindOf(id)}" d="M${left} ${middle}h22"/><text class="tick" x="${left + 28}" y="${middle + 4}">${METHOD_TEXT[id].title}</text>
`;
})}`;
}

/** Where the learned circuit's size is, if the axis has it. */
function circuitLine(share: number, x: Axis, across: (size: number) => number): Markup | null {
  if (share < x.ticks[0]!.value || share > 1) return null;
  return html`<path class="mark" d="M${across(share)} ${PLOT.top}V${PLOT.bottom}"/>
<text class="tick" x="${across(share)}" y="${PLOT.top - 6}" text-anchor="middle">circuit</text>
`;
}

/** A tenth of a unit is finer than any screen. */
function tenth(place: number): number {
  return Math.round(10 * place) / 10;
}
