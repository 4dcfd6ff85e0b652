/** The picture of a circuit: how many directions are kept of each head and of each MLP matrix. */
import type { Kind } from '../models/components.js';
import { KINDS } from '../settings/choices.js';
import type { CircuitPart } from './circuit.js';
import { count } from './figures.js';
import { html, Markup } from './markup.js';

const KIND_NAMES: Record<Kind, string> = {
  qk: 'QK',
  ov: 'OV',
  mlp_gate: 'MLP gate',
  mlp_in: 'MLP in',
  mlp_up: 'MLP up',
  mlp_out: 'MLP out',
  mlp_down: 'MLP down',
};

/** Room for the names of layers at the left and of heads below. All lengths are in pixels. */
const MARGIN = { left: 30, below: 20 };
/** Length of an MLP matrix's bar when all its directions are kept. */
const LONGEST_BAR = 110;
/** A digit, or a letter of a label, is no wider. */
const LETTER = 7.5;
/** Cells smaller than this hold no number. */
const READABLE = { width: 20, height: 16 };

/** The rows that all panels share: one a layer. */
interface Rows {
  layers: number;
  height: number;
}

/** A panel a kind, all with the same rows, so that layers line up where panels stand side by side. */
export function circuitPicture(parts: readonly CircuitPart[]): Markup {
  const layers = 1 + Math.max(...parts.map(({ layer }) => layer));
  const rows = { layers, height: layers <= 24 ? 24 : 14 };
  const mostOfAHead = Math.max(...parts.filter(({ head }) => head !== undefined).map(shareKept));
  const panels = KINDS.map((kind) => {
    const own = parts.filter((part) => part.kind === kind);
    if (own.length === 0) return null;
    return own[0]!.head === undefined ? mlpPanel(own, rows) : headPanel(own, rows, mostOfAHead);
  });
  return html`<div class="panels">
${panels}</div>`;
}

/** A column a head; the stronger a cell's colour, the larger the share of the head's directions that is kept. */
function headPanel(parts: CircuitPart[], rows: Rows, most: number): Markup {
  const heads = 1 + Math.max(...parts.map(({ head }) => head!));
  const width = Math.max(8, Math.min(40, Math.floor(264 / heads)));
  const numbered = width >= READABLE.width && rows.height >= READABLE.height;
  const cells = parts.map((part) => {
    const [x, y] = [MARGIN.left + part.head! * width, part.layer * rows.height];
    const kept = part.active.length;
    // Never so strong that the number on it could not be read.
    const shade = kept === 0 ? 0 : 0.08 + (0.52 * shareKept(part)) / most;
    const number =
      numbered && kept > 0
        ? html`<text x="${x + width / 2}" y="${y + rows.height / 2 + 4}" text-anchor="middle">${kept}</text>`
        : null;
    return html`<g><title>${tooltip(part)}</title><rect class="cell" x="${x + 1}" y="${y + 1}" width="${width - 2}" height="${rows.height - 2}" rx="1" fill-opacity="${shade.toFixed(3)}"/>${number}</g>
`;
  });
  const every = Math.ceil((3.5 * LETTER) / width);
  const names = Array.from({ length: heads }, (_, head) =>
    head % every === 0
      ? html`<text class="tick" x="${MARGIN.left + (head + 0.5) * width}" y="${rows.layers * rows.height + 15}" text-anchor="middle">H${head}</text>
`
      : null,
  );
  const size = { width: MARGIN.left + heads * width, height: rows.layers * rows.height + MARGIN.below };
  return panel(parts, rows, size, [...cells, ...names]);
}

/** A bar as long as the share of the matrix's directions that is kept, in the outline of them all. */
function mlpPanel(parts: CircuitPart[], rows: Rows): Markup {
  const thickness = Math.max(6, rows.height - 12);
  const bars = parts.map((part) => {
    const y = part.layer * rows.height;
    const at = `x="${MARGIN.left}" y="${y + (rows.height - thickness) / 2}" height="${thickness}" rx="2"`;
    const kept = (LONGEST_BAR * shareKept(part)).toFixed(1);
    return html`<g><title>${tooltip(part)}</title><rect class="track" ${new Markup(at)} width="${LONGEST_BAR}"/><rect class="bar" ${new Markup(at)} width="${kept}"/><text x="${MARGIN.left + LONGEST_BAR + 8}" y="${y + rows.height / 2 + 4}">${count(part.active.length)}<tspan class="tick"> of ${count(part.directions)}</tspan></text></g>
`;
  });
  const label = Math.max(...parts.map((part) => LETTER * share(part).length));
  const size = { width: MARGIN.left + LONGEST_BAR + 8 + label, height: rows.layers * rows.height };
  return panel(parts, rows, size, bars);
}

function panel(
  parts: CircuitPart[],
  rows: Rows,
  { width, height }: { width: number; height: number },
  content: (Markup | null)[],
): Markup {
  const kind = KIND_NAMES[parts[0]!.kind];
  const active = parts.flatMap((part) => part.active);
  const directions = parts.reduce((sum, part) => sum + part.directions, 0);
  const names = Array.from(
    { length: rows.layers },
    (_, layer) =>
      html`<text class="tick" x="${MARGIN.left - 6}" y="${(layer + 0.5) * rows.height + 4}" text-anchor="end">L${layer}</text>
`,
  );
  return html`<figure>
<figcaption>${kind}: ${share({ active, directions })}</figcaption>
<svg width="${width}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${kind}, directions kept by layer: ${inWords(parts)}">
${names}${content}</svg>
</figure>
`;
}

type Size = Pick<CircuitPart, 'active' | 'directions'>;

function shareKept({ active, directions }: Size): number {
  return active.length / directions;
}

/** `12 of 129`. */
function share({ active, directions }: Size): string {
  return `${count(active.length)} of ${count(directions)}`;
}

function tooltip(part: CircuitPart): string {
  return `${part.name}: ${share(part)} directions`;
}

/** What a panel shows, for those who do not see it; the table of components holds the rest. */
function inWords(parts: CircuitPart[]): string {
  const byLayer = new Map<number, number>();
  for (const { layer, active } of parts) byLayer.set(layer, (byLayer.get(layer) ?? 0) + active.length);
  return [...byLayer].map(([layer, kept]) => `layer ${layer} ${count(kept)}`).join(', ');
}
