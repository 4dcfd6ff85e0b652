/** A direction's mean coefficient by group of prompts. */
import * as Plot from '@observablehq/plot';
import type { DirectionCard } from '../snapshot.js';
import { Figure } from './figure.js';
import { short } from './text.js';

export function GroupMeans({ card }: { card: DirectionCard }) {
  const groups = Object.entries(card.groups!).map(([name, mean]) => ({
    name: short(name, 24),
    ...mean,
    low: mean.low ?? mean.mean,
    high: mean.high ?? mean.mean,
  }));
  return (
    <Figure
      title="By group of prompts"
      how="Mean coefficient at the last token over the prompts of each group, with its interval: where groups differ, the direction tells them apart."
      on={[card.direction]}
      numbers={{
        columns: ['group', 'mean', 'low', 'high', 'prompts'],
        rows: groups.map(({ name, mean, low, high, n }) => [name, mean, low, high, n]),
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: `Mean coefficient of ${card.direction} by group of prompts`,
          width,
          height: 60 + 24 * groups.length,
          marginLeft: Math.min(170, 20 + 7 * Math.max(...groups.map(({ name }) => name.length))),
          marginBottom: 42,
          x: {
            label: 'coefficient',
            labelAnchor: 'center',
            labelArrow: 'none',
            grid: true,
            ticks: 5,
            nice: true,
          },
          y: { label: null, domain: groups.map(({ name }) => name) },
          marks: [
            Plot.ruleX([0], { stroke: 'var(--dim)' }),
            Plot.ruleY(groups, {
              y: 'name',
              x1: 'low',
              x2: 'high',
              stroke: 'var(--accent)',
              strokeWidth: 2.5,
            }),
            Plot.dot(groups, { y: 'name', x: 'mean', fill: 'var(--accent)', r: 4 }),
          ],
        })
      }
    />
  );
}
