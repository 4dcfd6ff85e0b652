/** How far the circuits of a setting's seeds are the same: a cell for each pair of them. */
import * as Plot from '@observablehq/plot';
import { decimal } from '../../report/figures.js';
import type { SweepOverview } from '../snapshot.js';
import { Figure } from './figure.js';

/** So many columns leave room for a figure in each cell. */
const WRITTEN = 14;

interface SeedsProps extends Pick<SweepOverview, 'runs' | 'jaccard'> {
  agreement: NonNullable<SweepOverview['agreement']>;
}

export function SeedsFigure({ runs, jaccard, agreement }: SeedsProps) {
  const seeds = runs.map(({ seed }) => seed);
  const cells = jaccard.flatMap((row, a) =>
    row.map((value, b) => ({ a: seeds[a]!, b: seeds[b]!, value })).filter((_, b) => b !== a),
  );
  const size = (width: number) => Math.min(width, 110 + 44 * seeds.length);
  return (
    <Figure
      title="Do seeds find the same directions?"
      how={`Each cell is a pair of seeds: the share of directions that both keep of those that either keeps (Jaccard index), from 0 to 1. By chance it would be ${decimal(agreement.chance, 2)}, or ${decimal(agreement.chance_by_component, 2)} if both kept as many of each component as they do. This run's seed is ${runs.find(({ own }) => own)!.seed}.`}
      on={[jaccard]}
      numbers={{
        columns: ['seed', 'kept', 'KL (nats)', ...seeds.map((seed) => `with seed ${seed}`)],
        rows: runs.map(({ seed, kept, kl }, at) => [String(seed), kept, kl, ...jaccard[at]!]),
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: 'Jaccard index of the circuits of each pair of seeds',
          width: size(width),
          height: size(width) - 40,
          marginLeft: 60,
          marginBottom: 42,
          x: { type: 'band', label: 'seed', labelAnchor: 'center', labelArrow: 'none', domain: seeds },
          y: { type: 'band', label: 'seed', domain: seeds },
          marks: [
            Plot.cell(cells, { x: 'a', y: 'b', fill: 'var(--accent)', fillOpacity: 'value', inset: 0.5 }),
            ...(seeds.length <= WRITTEN
              ? [
                  Plot.text(cells, {
                    ...{ x: 'a', y: 'b' },
                    text: ({ value }) => decimal(value, 2),
                    fill: ({ value }) => (value > 0.55 ? 'var(--ground)' : 'var(--ink)'),
                  }),
                ]
              : []),
          ],
          opacity: { domain: [0, 1], range: [0.04, 1] },
        })
      }
    />
  );
}
