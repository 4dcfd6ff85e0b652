/** What changing a direction was measured to do. */
import * as Plot from '@observablehq/plot';
import { decimal, percent } from '../../report/figures.js';
import type { MeasuredIntervention } from '../snapshot.js';
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';
import { short, signed } from './text.js';

export function Interventions({ name }: { name: string }) {
  const { data } = useExplorer();
  const own = data.core.interventions.filter(({ directions }) => directions.includes(name));
  if (own.length === 0)
    return (
      <Missing
        what="No intervention on this direction was measured"
        command={`orthoscope intervene ${data.core.folder} --directions ${name} --out ${data.core.folder}/change-${name}`}
      />
    );
  return (
    <>
      {own.map((each) => (
        <Intervention key={each.folder} {...each} />
      ))}
    </>
  );
}

/** Sets of directions by colour, as the sums have them. */
const SETS = { chosen: '#0072b2', random: '#d55e00', outside: '#8c6d31' };

function Intervention({ folder, change, at, directions, effects }: MeasuredIntervention) {
  const points = effects.map(({ set, way, scale, change: by, flipped }) => ({
    ...{ set, way: short(way, 20), scale, value: by.value, flipped: flipped.value },
    low: by.interval?.[0] ?? by.value,
    high: by.interval?.[1] ?? by.value,
  }));
  return (
    <Figure
      title={`Change measured: ${short(change)} at ${short(at)}`}
      how={`What happened to the logit difference when ${directions.length === 1 ? 'it' : `it and ${directions.length - 1} others`} were changed (${short(folder)}), beside random directions and others outside the circuit changed alike: by how many times it was scaled, in place (left) and as if what is written went to the logits alone (right, where that was measured). Lines are intervals over prompts.`}
      on={[folder]}
      draw={(width) =>
        Plot.plot({
          ariaLabel: 'Change of the logit difference by scale',
          width,
          height: 260,
          marginBottom: 42,
          marginLeft: 56,
          fx: { label: null, domain: ['in place', 'direct'] },
          x: { label: 'scale', labelAnchor: 'center', labelArrow: 'none', type: 'point' },
          y: { label: '↑ change of the logit difference', grid: true, zero: true, nice: true },
          color: { domain: Object.keys(SETS), range: Object.values(SETS) },
          marks: [
            Plot.ruleY([0], { stroke: 'var(--dim)' }),
            Plot.ruleX(points, {
              fx: 'way',
              x: 'scale',
              y1: 'low',
              y2: 'high',
              stroke: 'set',
              strokeWidth: 2,
            }),
            Plot.line(points, { fx: 'way', x: 'scale', y: 'value', stroke: 'set', sort: 'scale' }),
            Plot.dot(points, { fx: 'way', x: 'scale', y: 'value', fill: 'set', symbol: 'set', r: 4 }),
          ],
        })
      }
      numbers={{
        columns: ['set', 'way', 'scale', 'change', 'low', 'high', 'flipped', 'KL'],
        rows: effects.map(({ set, way, scale, change: by, flipped, kl }) => [
          set,
          way,
          scale,
          by.value,
          by.interval?.[0] ?? null,
          by.interval?.[1] ?? null,
          flipped.value,
          kl.value,
        ]),
      }}
    >
      <p>
        {Object.entries(SETS).map(([set, colour]) => (
          <span key={set} class="legend">
            <span class="swatch" style={{ background: colour }} aria-hidden="true" />
            {set}
          </span>
        ))}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" aria-label="Changes of the logit difference" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {['set', 'way', 'scale', 'logit difference by', 'flipped', 'KL'].map((each) => (
                <th scope="col" key={each}>
                  {each}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {effects.map(({ set, way, scale, change: by, flipped, kl }) => (
              <tr key={`${set} ${way} ${scale}`} class={set === 'chosen' ? 'circuit' : undefined}>
                <th scope="row">{short(set, 20)}</th>
                <td>{short(way, 20)}</td>
                <td>×{scale}</td>
                <td>
                  {signed(by.value)}{' '}
                  {by.interval ? `[${decimal(by.interval[0])}, ${decimal(by.interval[1])}]` : ''}
                </td>
                <td>{percent(flipped.value)}</td>
                <td>{decimal(kl.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </Figure>
  );
}
