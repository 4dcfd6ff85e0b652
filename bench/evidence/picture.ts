/** The panels of a comparison as a picture in a file of its own, two beside each other. */
import type { Comparison } from '../../src/evidence/compare-file.js';
import { html, Markup } from '../../src/report/markup.js';
import { SIZE_FIGURES, type SizeFigure, sizePanels } from '../../src/report/size-curve-picture.js';
import { COLOURS, DRAWINGS } from '../../src/report/style.js';

const COLUMNS = 2;
const GAP = 20;
/** Room for the picture's name, and for a panel's. */
const NAME = 24;
const TITLE = 22;

/** An SVG file, light or dark as the reader's system is; null where no method has the figure. */
export function pictureFile(comparison: Comparison, figure: SizeFigure): string | null {
  const panels = sizePanels(comparison, figure);
  if (panels.length === 0) return null;
  const { width, height } = panels[0]!;
  const columns = Math.min(COLUMNS, panels.length);
  const [across, down] = [width + GAP, height + TITLE + GAP];
  const [wide, high] = [columns * across, NAME + Math.ceil(panels.length / columns) * down];
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${high}" width="${wide}" height="${high}" role="img">
<title>${SIZE_FIGURES[figure]} by share of the directions kept</title>
<desc>${panels.map(({ title, description }) => `${title}. ${description}`).join(' ')}</desc>
<style>${new Markup(`${COLOURS}${DRAWINGS}text { font-family: sans-serif; }`)}</style>
<rect width="${wide}" height="${high}" style="fill: var(--ground)"/>
<text x="${12 + GAP / 2}" y="26" style="font-size: 16px">${SIZE_FIGURES[figure]}</text>
${panels.map(
  (
    { title, drawing },
    at,
  ) => html`<g transform="translate(${(at % columns) * across + GAP / 2} ${Math.floor(at / columns) * down + NAME + GAP / 2})">
<text x="12" y="14" font-weight="600">${title}</text>
<g transform="translate(0 ${TITLE})">
${drawing}</g>
</g>
`,
)}</svg>
`.text;
}
