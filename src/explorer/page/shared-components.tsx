/** By component, how many directions two runs keep both, and one of them alone. */
import * as Plot from '@observablehq/plot';
import type { Data } from './data.js';
import { Figure } from './figure.js';
import { useExplorer } from './state.js';

/** Components that are drawn: those in which most is kept. */
const DRAWN = 24;
const WHO = ['both', 'this run alone', 'the other alone'] as const;
/** Okabe and Ito's, as in the sums. */
const COLOURS = ['#009e73', '#0072b2', '#d55e00'];

export function SharedComponents({ other }: { other: Data }) {
  const { data } = useExplorer();
  const found = data.places
    .map(({ name, start, directions }) => {
      const counts = [0, 0, 0];
      for (let flat = start; flat < start + directions; flat++) {
        const [own, its] = [data.isKept(flat, null), other.isKept(flat, null)];
        if (own || its) counts[own && its ? 0 : own ? 1 : 2]!++;
      }
      return { name, directions, counts, all: counts.reduce((sum, each) => sum + each) };
    })
    .filter(({ all }) => all > 0)
    .sort((a, b) => b.all - a.all);
  const drawn = found.slice(0, DRAWN);
  return (
    <Figure
      title="By component"
      how={`How many directions of a component both runs keep, and how many one of them alone${found.length > DRAWN ? `; drawn are the ${DRAWN} of ${found.length} in which most is kept` : ''}.`}
      on={[other]}
      numbers={{
        columns: ['component', 'of', ...WHO, 'both by chance'],
        rows: found.map(({ name, directions, counts: [both, here, there] }) => [
          ...[name, directions, both!, here!, there!],
          ((both! + here!) * (both! + there!)) / directions,
        ]),
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: 'Directions that two runs keep, by component',
          width,
          height: 80 + 20 * drawn.length,
          marginLeft: 84,
          marginBottom: 42,
          x: { label: 'directions', labelAnchor: 'center', labelArrow: 'none', grid: true },
          y: { label: null, domain: drawn.map(({ name }) => name) },
          color: { domain: [...WHO], range: COLOURS },
          marks: [
            Plot.barX(
              drawn.flatMap(({ name, counts }) => counts.map((kept, at) => ({ name, kept, who: WHO[at]! }))),
              Plot.stackX({ y: 'name', x: 'kept', fill: 'who', order: [...WHO] }),
            ),
            Plot.ruleX([0]),
          ],
        })
      }
    >
      <p>
        {WHO.map((who, at) => (
          <span key={who} class="legend">
            <span class="swatch" style={{ background: COLOURS[at] }} aria-hidden="true" />
            {who}
          </span>
        ))}
      </p>
    </Figure>
  );
}
