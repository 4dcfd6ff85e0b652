/** How the circuit would do if it were larger or smaller, from sizes that were measured. */
import * as Plot from '@observablehq/plot';
import { count, decimal, percent } from '../../report/figures.js';
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';

export function SizeSlider() {
  const { data, state, go } = useExplorer();
  const { sizes } = data.core;
  if (!sizes || sizes.length === 0)
    return (
      <Missing
        what="Circuits of other sizes were not measured"
        command={`orthoscope interpret ${data.core.folder} --out ${data.core.folder}/reading`}
      />
    );
  const own = data.kept(null);
  const shown = state.size ?? own;
  const at = sizes.reduce(
    (best, { kept }, index) => (Math.abs(kept - shown) < Math.abs(sizes[best]!.kept - shown) ? index : best),
    0,
  );
  const point = sizes[at]!;
  const drawn = sizes.filter(({ kept }) => kept > 0);
  return (
    <Figure
      title="Circuits of other sizes"
      how="KL (nats, lower is better) of the directions with the largest soft masks, by how many are kept; only the dots were measured. Move the slider: the model and the components then show those members."
      on={[point.kept]}
      numbers={{
        columns: ['kept', 'smallest mask', 'KL (nats)', 'exact match', 'accuracy', 'logit difference'],
        rows: sizes.map(({ kept, mask, kl, exact_match, accuracy, logit_difference }) => [
          kept,
          mask,
          kl,
          exact_match,
          accuracy,
          logit_difference,
        ]),
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: 'KL by number of directions kept',
          width,
          height: 240,
          marginBottom: 42,
          marginLeft: 50,
          x: {
            type: 'log',
            label: 'directions kept',
            labelAnchor: 'center',
            labelArrow: 'none',
            grid: true,
            ticks: 5,
            tickFormat: (value: number) => String(value),
          },
          y: { label: '↑ KL (nats)', grid: true },
          marks: [
            Plot.ruleX([own], { stroke: 'var(--dim)', strokeDasharray: '3 3' }),
            Plot.line(drawn, { x: 'kept', y: 'kl', stroke: 'var(--accent)' }),
            Plot.dot(drawn, { x: 'kept', y: 'kl', fill: 'var(--accent)', r: 3 }),
            Plot.dot(
              [point].filter(({ kept }) => kept > 0),
              { x: 'kept', y: 'kl', r: 7, stroke: 'var(--warm)', strokeWidth: 2 },
            ),
          ],
        })
      }
    >
      <label class="slider">
        Directions kept
        <input
          type="range"
          min={0}
          max={sizes.length - 1}
          value={at}
          aria-valuetext={`${point.kept} directions, KL ${decimal(point.kl)}`}
          onInput={({ currentTarget }) => go({ size: sizes[Number(currentTarget.value)]!.kept })}
        />
      </label>
      <p>
        <strong>{count(point.kept)}</strong> kept: KL <strong>{decimal(point.kl)}</strong>, same next token{' '}
        {percent(point.exact_match)}, accuracy {percent(point.accuracy)}, logit difference{' '}
        {decimal(point.logit_difference)}.{' '}
        {state.size !== null && (
          <button type="button" onClick={() => go({ size: null })}>
            Back to the run’s own circuit ({count(own)})
          </button>
        )}
      </p>
    </Figure>
  );
}
