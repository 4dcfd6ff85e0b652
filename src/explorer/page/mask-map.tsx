/** Masks of all components of a kind at once: a row each, a column for each direction, by σ or by mask. */
import * as Plot from '@observablehq/plot';
import type { Kind } from '../../models/components.js';
import { Figure } from './figure.js';
import { useExplorer } from './state.js';

const TALLEST = 640;
/** Pixels of a row, where there is room, and between two names. */
const ROW = 14;

export function MaskMap({ kind, title }: { kind: Kind; title: string }) {
  const { data, state } = useExplorer();
  const places = data.places.filter((place) => place.kind === kind);
  const values = data.values.soft ?? data.values.masks!;
  const sorted = state.sort === 'mask';
  const rows = places.map(({ start, directions }) => {
    const own = values.slice(start, start + directions);
    return sorted ? own.sort().reverse() : own;
  });
  const columns = Math.max(...rows.map(({ length }) => length));
  const cells = rows.flatMap((row) => [...row, ...new Array<number>(columns - row.length).fill(Number.NaN)]);
  const layers = places.flatMap(({ layer, head }, at) => ((head ?? 0) === 0 ? [{ at, layer }] : []));
  return (
    <Figure
      title={`Masks of ${title}`}
      how={`A row is a ${places[0]!.head === null ? 'layer' : 'head, those of a layer below each other'}, a column a direction, ${sorted ? 'those with the largest masks first' : 'by falling σ'}; the stronger the colour, the larger its mask${data.values.soft ? ' before it was rounded' : ''}. Coloured cells far to the right are small directions that the circuit needs all the same.`}
      on={[kind, sorted]}
      numbers={{
        columns: ['direction', 'mask'],
        rows: places.flatMap(({ name, start, directions }) =>
          Array.from({ length: directions }, (_, index) => [`${name}.${index}`, values[start + index]!]),
        ),
      }}
      draw={(width) => {
        const tall = Math.min(TALLEST, Math.max(60, ROW * rows.length));
        const step = Math.ceil((ROW * layers.length) / tall);
        const style = getComputedStyle(document.documentElement);
        const colour = (name: string) => style.getPropertyValue(name).trim();
        return Plot.plot({
          ariaLabel: `Masks of ${title}`,
          width,
          height: 62 + tall,
          marginBottom: 42,
          x: {
            label: sorted ? 'rank by mask' : 'index, by falling σ',
            labelAnchor: 'center',
            labelArrow: 'none',
            domain: [0, columns],
            ticks: 6,
          },
          y: {
            label: null,
            domain: [rows.length, 0],
            ticks: layers.filter((_, at) => at % step === 0).map(({ at }) => at),
            tickFormat: (row: number) => `L${layers.find(({ at }) => at === row)?.layer}`,
          },
          color: { domain: [0, 1], range: [colour('--shade'), colour('--accent')] },
          marks: [
            Plot.raster(cells, {
              ...{ width: columns, height: rows.length, x1: 0, x2: columns, y1: 0, y2: rows.length },
              imageRendering: 'pixelated',
            }),
          ],
        });
      }}
    />
  );
}
