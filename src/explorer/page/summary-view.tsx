/** The verdict in one screen: how large, how faithful, whether it holds, and against what that is to be held. */
import * as Plot from '@observablehq/plot';
import { controlsText } from '../../report/controls-text.js';
import { count, decimal, percent } from '../../report/figures.js';
import { Figure } from './figure.js';
import { Sheet } from './sheet.js';
import { SizeSlider } from './size-slider.js';
import { useExplorer } from './state.js';
import { Strongest } from './strongest.js';
import { visible } from './text.js';

export function SummaryView() {
  const { data } = useExplorer();
  const { metrics, split, said } = data.core;
  const { binarised, controls, attack } = metrics.splits[split]!;
  const some = controls?.random.n;
  const onSome = some === undefined ? '' : ` on ${count(some)} prompts`;
  const circuit = said.rows.find(({ isCircuit }) => isCircuit)!;
  const tile = (key: 'kl' | 'exact_match' | 'accuracy' | 'faithfulness') => circuit.figures[key];
  return (
    <>
      <h1>Is it a circuit?</h1>
      {said.unsettled && (
        <p class="notice">
          When training ended, {visible(said.unsettled)}. Read this one as a state on the way.
        </p>
      )}
      <p class="verdict">
        {said.attack ? (
          <strong>{visible(said.attack)}.</strong>
        ) : (
          <>
            Nobody attacked this circuit:{' '}
            <code>orthoscope evaluate {visible(data.core.folder)} --attack 20</code>
          </>
        )}
        {said.control && <span class="dim"> {visible(said.control)}.</span>}
      </p>
      <div class="tiles">
        <Tile
          name="directions kept"
          value={`${count(binarised.active)} of ${count(binarised.directions)}`}
          note={`sparsity ${percent(binarised.relative_sparsity)}`}
        />
        <Tile name="KL to the full model, nats" value={tile('kl').value} note={tile('kl').spread} />
        <Tile name="same next token" value={tile('exact_match').value} note={tile('exact_match').spread} />
        <Tile name="faithfulness" value={tile('faithfulness').value} note={tile('faithfulness').spread} />
        {controls && (
          <Tile
            name="KL of a random set"
            value={decimal(controls.random.kl)}
            note={controls.random.sd ? `± ${decimal(controls.random.sd.kl)}${onSome}` : onSome}
          />
        )}
        {attack && (
          <Tile name="KL under attack" value={decimal(attack.kl)} note={`from ${decimal(attack.plain_kl)}`} />
        )}
      </div>
      <div class="columns">
        <Controls />
        <SizeSlider />
      </div>
      <Sheet />
      <Strongest />
    </>
  );
}

function Tile({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div class="tile">
      <div class="dim">{name}</div>
      <div class="value">{value}</div>
      <div class="dim">{note || '\u00a0'}</div>
    </div>
  );
}

function Controls() {
  const { data } = useExplorer();
  const { metrics, split, said } = data.core;
  const { binarised, controls, attack } = metrics.splits[split]!;
  const on = controlsText(metrics.splits[split]!);
  const bars: { name: string; kl: number; low: number; high: number; own: boolean }[] = [];
  const add = (
    name: string,
    kl: number | null,
    spread: [number, number] | number | null | undefined,
    own = false,
  ) => {
    if (kl === null) return;
    const [low, high] = typeof spread === 'number' ? [kl - spread, kl + spread] : (spread ?? [kl, kl]);
    bars.push({ name, kl, low, high, own });
  };
  add('circuit', binarised.kl, binarised.confidence.kl, true);
  if (attack) add('attacked', attack.kl, null, true);
  if (controls) {
    add('random', controls.random.kl, controls.random.sd?.kl);
    add('random by kind', controls.random_by_kind.kl, controls.random_by_kind.sd?.kl);
    add('top σ', controls.top_sigma.kl, null);
    add('complement', controls.inverted.kl, null);
    add('none kept', controls.all_off.kl, null);
  }
  const floor = 1e-4;
  const log = (value: number) => Math.max(floor, value);
  return (
    <Figure
      title="KL against controls"
      how={`Each row is a set of directions; the further left, the nearer its predictions are to the full model's (KL in nats, on a logarithmic scale). Lines are intervals: bootstrap over prompts, or ± one deviation over draws. The circuit means something only if the others lie far to the right.${on === null ? '' : ` In this run ${on}.`}`}
      numbers={{
        columns: [
          'set',
          'kept',
          'KL (nats)',
          'KL spread',
          'exact match',
          'accuracy',
          'logit diff',
          'faithful',
        ],
        rows: said.rows.map(({ name, figures: f }) => [
          name,
          f.active.value,
          f.kl.value,
          f.kl.spread,
          f.exact_match.value,
          f.accuracy.value,
          f.logit_diff.value,
          f.faithfulness.value,
        ]),
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: 'KL of the circuit and of controls',
          width,
          height: 70 + 30 * bars.length,
          marginBottom: 42,
          marginLeft: 120,
          marginRight: 60,
          x: {
            type: 'log',
            label: 'KL (nats)',
            labelAnchor: 'center',
            labelArrow: 'none',
            domain: [
              Math.min(...bars.map(({ kl }) => log(kl))) / 2,
              Math.max(...bars.map(({ high }) => high)) * 2,
            ],
            grid: true,
            ticks: 5,
            tickFormat: (value: number) => String(value),
          },
          y: { label: null, domain: bars.map(({ name }) => name) },
          marks: [
            Plot.ruleY(bars, {
              y: 'name',
              x1: ({ low }) => log(low),
              x2: ({ high }) => log(high),
              stroke: ({ own }) => (own ? 'var(--accent)' : 'var(--warm)'),
              strokeWidth: 3,
            }),
            Plot.dot(bars, {
              y: 'name',
              x: ({ kl }) => log(kl),
              r: 5,
              fill: ({ own }) => (own ? 'var(--accent)' : 'var(--warm)'),
              symbol: ({ own }: { own: boolean }) => (own ? 'circle' : 'square'),
            }),
            Plot.text(bars, {
              y: 'name',
              x: ({ high }) => log(high),
              text: ({ kl }) => decimal(kl),
              dx: 9,
              textAnchor: 'start',
            }),
          ],
        })
      }
    />
  );
}
