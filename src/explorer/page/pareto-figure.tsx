/** Settings of a sweep by how many directions they keep and how close they come, with the front of those that none beats. */
import * as Plot from '@observablehq/plot';
import { count } from '../../report/figures.js';
import type { OverSeeds, SweepOverview } from '../snapshot.js';
import { Figure } from './figure.js';
import { short } from './text.js';

/** So few settings leave room for their names. */
const NAMED = 6;

export function ParetoFigure({ settings }: Pick<SweepOverview, 'settings'>) {
  const points = settings.flatMap(({ name, kept, kl, pareto, own }) =>
    kept.mean === null || kl.mean === null
      ? []
      : [{ name: short(name, 60), x: kept.mean, y: kl.mean, low: low(kl), high: high(kl), pareto, own }],
  );
  const front = points.filter(({ pareto }) => pareto).sort((a, b) => a.x - b.x);
  return (
    <Figure
      title="Settings: size against KL"
      how="Each dot is a setting, mean over its seeds, with an interval of the mean over seeds and prompts; the further down and to the left, the better. Filled and joined: no other setting on the same prompts keeps fewer directions at a lower KL. The ring is this run's setting."
      on={[settings]}
      numbers={{
        columns: [
          'setting',
          'seeds',
          'kept',
          'KL (nats)',
          'low',
          'high',
          'faithfulness',
          'front',
          'this run',
        ],
        rows: settings.map(({ name, seeds, kept, kl, faithfulness, pareto, own }) => [
          ...[short(name, 200), seeds, kept.mean, kl.mean, low(kl), high(kl), faithfulness.mean],
          ...[pareto ? 'yes' : 'no', own ? 'yes' : 'no'],
        ]),
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: 'KL by directions kept, a dot for each setting',
          width,
          height: 300,
          marginBottom: 42,
          marginLeft: 56,
          marginRight: 24,
          x: {
            label: 'directions kept',
            labelAnchor: 'center',
            labelArrow: 'none',
            grid: true,
            nice: true,
            inset: 16,
            ticks: 6,
          },
          y: { label: '↑ KL (nats)', grid: true, zero: true, nice: true },
          marks: [
            Plot.line(front, { x: 'x', y: 'y', stroke: 'var(--accent)', strokeDasharray: '4 3' }),
            Plot.ruleX(points, { x: 'x', y1: 'low', y2: 'high', stroke: 'var(--dim)' }),
            Plot.dot(points, {
              ...{ x: 'x', y: 'y', r: 5, stroke: 'var(--accent)', strokeWidth: 1.5 },
              fill: ({ pareto }: { pareto: boolean }) => (pareto ? 'var(--accent)' : 'var(--ground)'),
              title: ({ name, x, y }: (typeof points)[number]) =>
                `${name}: ${count(Math.round(x))} kept, KL ${y.toFixed(3)}`,
            }),
            ...(points.length <= NAMED
              ? [Plot.text(points, { x: 'x', y: 'y', text: 'name', dy: -16, lineAnchor: 'bottom' })]
              : []),
            Plot.dot(
              points.filter(({ own }) => own),
              { x: 'x', y: 'y', r: 10, stroke: 'var(--warm)', strokeWidth: 2 },
            ),
          ],
        })
      }
    />
  );
}

function low({ interval, mean }: OverSeeds): number | null {
  return interval?.[0] ?? mean;
}

function high({ interval, mean }: OverSeeds): number | null {
  return interval?.[1] ?? mean;
}
