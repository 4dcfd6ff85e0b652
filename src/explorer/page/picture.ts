/** Figures as pictures that stand alone: what the page's style sheet says of them goes with them. */

/** Colours of the style sheet, which a picture outside the page does not find. */
const COLOURS = ['ground', 'ink', 'dim', 'rule', 'shade', 'accent', 'warm'];
/** What of a figure is no part of its picture. */
const LEFT_OUT = 'details, button, input, select, label, .choices, .buttons';
const PIXELS = 2;
/** Pixels around a picture. */
const EDGE = 8;

/** The figure with its title and all that it shows, as an SVG that browsers read. */
export function figureSvg(figure: HTMLElement): string {
  const copy = figure.cloneNode(true) as HTMLElement;
  for (const part of copy.querySelectorAll(LEFT_OUT)) part.remove();
  // Nothing can be scrolled there.
  for (const part of copy.querySelectorAll<HTMLElement>('.scroll')) part.style.overflow = 'visible';
  const { width, height } = measured(copy, figure.clientWidth);
  const style = document.createElement('style');
  style.textContent = [...document.styleSheets]
    .flatMap(({ cssRules }) => [...cssRules].map(({ cssText }) => cssText))
    .join('\n');
  const holder = document.createElement('div');
  holder.append(style, copy);
  const { font } = getComputedStyle(document.body);
  holder.setAttribute(
    'style',
    `${colours()} background: var(--ground); color: var(--ink); padding: ${EDGE}px; font: ${font}`,
  );
  const size = `width="${width + 2 * EDGE}" height="${height + 2 * EDGE}"`;
  const content = new XMLSerializer().serializeToString(holder);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}>` +
    `<foreignObject width="100%" height="100%">${content}</foreignObject></svg>`
  );
}

/** Of what is shown at that width. */
function measured(copy: HTMLElement, width: number): { width: number; height: number } {
  const place = document.createElement('div');
  place.setAttribute('style', `position: absolute; visibility: hidden; width: ${width}px`);
  place.append(copy);
  document.body.append(place);
  const size = { width: Math.max(width, copy.scrollWidth), height: Math.ceil(copy.offsetHeight) };
  place.remove();
  return size;
}

/** A drawn picture alone, as an SVG that any program shows: colours are written out. */
export function drawnSvg(picture: SVGElement): string {
  const copy = picture.cloneNode(true) as SVGElement;
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const style = getComputedStyle(document.documentElement);
  const text = new XMLSerializer().serializeToString(copy);
  const drawn = COLOURS.reduce(
    (all, name) => all.replaceAll(`var(--${name})`, style.getPropertyValue(`--${name}`).trim()),
    text,
  );
  const { color, fill, fontFamily, fontSize } = getComputedStyle(picture);
  const own = document.createElement('div');
  const background = style.getPropertyValue('--ground');
  Object.assign(own.style, { background, color, fill, fontFamily, fontSize });
  return drawn.replace('<svg ', `<svg style="${own.getAttribute('style')!.replaceAll('"', "'")}" `);
}

/** @returns the figure, drawn twice as fine as on a plain screen */
export async function figurePng(figure: HTMLElement): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(figureSvg(figure))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [PIXELS * image.width, PIXELS * image.height];
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('this browser draws no picture'))),
      'image/png',
    ),
  );
}

function colours(): string {
  const style = getComputedStyle(document.documentElement);
  return COLOURS.map((name) => `--${name}: ${style.getPropertyValue(`--${name}`)};`).join(' ');
}
