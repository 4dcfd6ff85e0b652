/** The model as layers × heads and MLPs: how much of each is kept. */
import { useRef } from 'preact/hooks';
import type { Kind } from '../../models/components.js';
import { count, percent } from '../../report/figures.js';
import type { Members, Place } from './data.js';
import { Figure } from './figure.js';
import { MaskMap } from './mask-map.js';
import { OrderChoice } from './order-choice.js';
import { SizeNote } from './size-note.js';
import { useExplorer } from './state.js';

const TITLES: Record<Kind, string> = {
  qk: 'Query–key: where heads look',
  ov: 'Output–value: what heads carry',
  mlp_gate: 'MLP gate',
  mlp_in: 'MLP in: what neurons read',
  mlp_up: 'MLP up',
  mlp_out: 'MLP out: what neurons write',
  mlp_down: 'MLP down',
};

export function ModelView() {
  const { data, members } = useExplorer();
  const kinds = [...new Set(data.places.map(({ kind }) => kind))];
  return (
    <>
      <h1>Where the circuit lies</h1>
      <SizeNote />
      <p>
        A cell is a head or an MLP matrix; its number is how many directions are kept, its colour which share
        of its directions. Open one with a click, or with arrow keys and Enter.
      </p>
      <p class="legend" aria-hidden="true">
        none <span class="ramp" /> all kept
      </p>
      <div class="panels">
        {kinds.map((kind) => (
          <Panel
            key={kind}
            kind={kind}
            places={data.places.filter((place) => place.kind === kind)}
            members={members}
          />
        ))}
      </div>
      <h2>Every mask</h2>
      <OrderChoice />
      <div class="columns">
        {kinds.map((kind) => (
          <MaskMap key={kind} kind={kind} title={TITLES[kind].split(':')[0]!} />
        ))}
      </div>
    </>
  );
}

function Panel({ kind, places, members }: { kind: Kind; places: Place[]; members: Members }) {
  const { data, go } = useExplorer();
  const grid = useRef<HTMLTableElement>(null);
  const layers = 1 + Math.max(...places.map(({ layer }) => layer));
  const heads = 1 + Math.max(...places.map(({ head }) => head ?? 0));
  const at = new Map(places.map((place) => [`${place.layer} ${place.head ?? 0}`, place]));
  const kept = new Map(places.map((place) => [place, data.keptOf(place, members)]));
  const total = [...kept.values()].reduce((sum, own) => sum + own, 0);
  const move = (event: KeyboardEvent) => {
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
    };
    const step = steps[event.key];
    const from = event.target as HTMLElement;
    if (!step || !from.dataset.at) return;
    const [layer, head] = from.dataset.at.split(' ').map(Number) as [number, number];
    grid.current?.querySelector<HTMLElement>(`[data-at="${layer + step[0]} ${head + step[1]}"]`)?.focus();
    event.preventDefault();
  };
  return (
    <Figure
      title={TITLES[kind]}
      how={`${count(total)} of ${count(places.reduce((sum, { directions }) => sum + directions, 0))} directions kept.`}
      numbers={{
        columns: ['component', 'kept', 'of', 'share'],
        rows: places.map((place) => [
          place.name,
          kept.get(place)!,
          place.directions,
          percent(kept.get(place)! / place.directions),
        ]),
      }}
    >
      <div class="scroll">
        <table class="grid" ref={grid} onKeyDown={move}>
          {places[0]!.head !== null && (
            <thead>
              <tr>
                <td />
                {Array.from({ length: heads }, (_, head) => (
                  <th scope="col" key={head}>
                    H{head}
                  </th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {Array.from({ length: layers }, (_, layer) => (
              <tr key={layer}>
                <th scope="row">L{layer}</th>
                {Array.from({ length: heads }, (_, head) => {
                  const place = at.get(`${layer} ${head}`);
                  if (!place) return <td key={head} />;
                  const own = kept.get(place)!;
                  const shade = Math.round(15 + 85 * Math.sqrt(own / place.directions));
                  return (
                    <td key={head}>
                      <button
                        type="button"
                        class={own > 0 ? 'cell' : 'cell none'}
                        data-at={`${layer} ${head}`}
                        style={own > 0 ? { '--share': `${shade}%` } : undefined}
                        data-strong={own > 0 && shade > 52}
                        title={`${place.name}: ${own} of ${place.directions} kept`}
                        aria-label={`${place.name}: ${own} of ${place.directions} directions kept`}
                        onClick={() => go({ view: 'component', of: place.name, sort: '' })}
                      >
                        {own > 0 ? own : '·'}
                      </button>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Figure>
  );
}
