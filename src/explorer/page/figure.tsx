/** A figure: a picture, a sentence on how to read it, and its numbers as a table that can be saved. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { drawnSvg, figurePng, figureSvg } from './picture.js';
import { save } from './save.js';

export type Cell = string | number | null;

export interface Numbers {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
}

interface FigureProps {
  title: string;
  /** How to read it: one sentence. */
  how: string;
  numbers: Numbers;
  /** A picture as wide as there is room, in pixels. */
  draw?: (width: number) => Element;
  /** What the picture depends on. */
  on?: readonly unknown[];
  children?: ComponentChildren;
}

/** Rows of a figure's table that are shown; the saved file holds all. */
const SHOWN = 200;

export function Figure({ title, how, numbers, draw, on = [], children }: FigureProps) {
  const figure = useRef<HTMLElement>(null);
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element || !draw) return;
    let width = 0;
    const redraw = () => {
      if (element.clientWidth === width || element.clientWidth === 0) return;
      width = element.clientWidth;
      element.replaceChildren(named(draw(width)));
    };
    redraw();
    const observer = new ResizeObserver(redraw);
    observer.observe(element);
    return () => observer.disconnect();
  }, on);
  const svg = () => {
    const drawn = place.current?.querySelector('svg');
    save(`${title}.svg`, 'image/svg+xml', drawn ? drawnSvg(drawn) : figureSvg(figure.current!));
  };
  return (
    <figure class="figure" ref={figure}>
      <figcaption>
        <h2>{title}</h2>
        <p class="dim">{how}</p>
      </figcaption>
      {draw && <div ref={place} class="picture" />}
      {children}
      <details>
        <summary>Numbers</summary>
        <p class="buttons">
          <button type="button" onClick={() => save(`${title}.csv`, 'text/csv', csv(numbers))}>
            Save CSV
          </button>
          <button
            type="button"
            onClick={() =>
              save(`${title}.json`, 'application/json', JSON.stringify(objects(numbers), null, 2))
            }
          >
            Save JSON
          </button>
          <button type="button" onClick={svg}>
            Save SVG
          </button>
          <button
            type="button"
            onClick={async () => save(`${title}.png`, 'image/png', await figurePng(figure.current!))}
          >
            Save PNG
          </button>
        </p>
        <NumbersTable {...numbers} label={title} />
      </details>
    </figure>
  );
}

/** A picture is one thing with one name to those who hear it; its parts are in the table. */
function named(picture: Element): Element {
  picture.setAttribute('role', 'img');
  for (const part of picture.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label');
  return picture;
}

export function NumbersTable({ columns, rows, label }: Numbers & { label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label={`${label}, table`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" key={column}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN).map((row, at) => (
            <tr key={at}>
              {row.map((cell, column) =>
                column === 0 ? (
                  <th scope="row">{cell}</th>
                ) : (
                  <td>{typeof cell === 'number' ? number(cell) : (cell ?? '–')}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > SHOWN && <p class="dim">{rows.length - SHOWN} more rows are in the saved file.</p>}
    </section>
  );
}

export function number(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en-GB');
  const size = Math.abs(value);
  const text = size < 1e-3 || size >= 1e5 ? value.toExponential(2) : value.toPrecision(4);
  return text.replaceAll('-', '−');
}

/** Texts are quoted; one that a spreadsheet would take for a formula gets an apostrophe in front. */
function csv({ columns, rows }: Numbers): string {
  const text = (cell: Cell) => {
    if (typeof cell === 'number') return String(cell);
    if (cell === null) return '';
    const safe = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
    return `"${safe.replaceAll('"', '""')}"`;
  };
  return [columns, ...rows].map((row) => `${row.map(text).join(',')}\n`).join('');
}

function objects({ columns, rows }: Numbers): Record<string, Cell>[] {
  return rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at] ?? null])));
}
