/** A picture of a page as a file of its own. */
import type { Markup } from '../../src/report/markup.js';

/** What the pages' style sheet says of curves, on white: a picture that is shown alone has no style sheet. */
const STYLE = `text{font:12px sans-serif;fill:#1c1c1a}.tick{font-size:11px;fill:#5b5a56}.grid{stroke:#dddbd4;fill:none}
.curve{stroke-width:1.6;stroke-linejoin:round;fill:none}.dashed{stroke-dasharray:5 3}
${['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c6d31', '#7f7f7f'].map((colour, at) => `.series-${at}{stroke:${colour}}`).join('')}`;

/**
 * The drawing of a figure, with the names of its curves below.
 * @param names of the curves, in their order; those of dashed ones are marked
 */
export function svgFile(figure: Markup, names: readonly { name: string; dashed: boolean }[]): string {
  const [, height, inner] = /<svg viewBox="0 0 \d+ (\d+)"[^>]*>([\s\S]*)<\/svg>/.exec(figure.text)!;
  const [, caption] = /<figcaption>([^<]*)<\/figcaption>/.exec(figure.text)!;
  const columns = 2;
  const wide = 540;
  const top = Number(height) + 40;
  const legend = names.map(({ name, dashed }, at) => {
    const [x, y] = [12 + (at % columns) * (wide / columns), top + 17 * Math.floor(at / columns)];
    return `<path class="curve series-${at % 8}${dashed ? ' dashed' : ''}" d="M${x} ${y}h22"/><text x="${x + 28}" y="${y + 4}" class="tick">${escaped(name)}</text>`;
  });
  const whole = top + 17 * Math.ceil(names.length / columns);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${wide} ${whole}" width="${wide}" height="${whole}">
<title>${caption}</title>
<style>${STYLE}</style>
<rect width="${wide}" height="${whole}" fill="#fff"/>
<text x="52" y="14" class="tick">${caption}</text>
<g transform="translate(0 14)">
${inner!.trim()}
</g>
${legend.join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
