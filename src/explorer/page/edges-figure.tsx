/** What a direction has from others, and what it writes into others. */
import type { CardEdge, DirectionCard } from '../snapshot.js';
import { Figure, number } from './figure.js';
import { useExplorer } from './state.js';
import { short, signed } from './text.js';

export function EdgesFigure({
  direction,
  edges,
}: {
  direction: string;
  edges: NonNullable<DirectionCard['edges']>;
}) {
  return (
    <Figure
      title="Edges"
      how="What reaches it from other directions and what it writes into them, through the stream: what arrives there, and what that is foreseen to do to the logit difference, to first order; where an edge was cut, what that did. The strongest of each way."
      numbers={{
        columns: ['from', 'to', 'side', 'arrives', 'foreseen', 'low', 'high', 'cut'],
        rows: [
          ...edges.from.map((edge) => [short(edge.other, 40), direction, ...rest(edge)]),
          ...edges.to.map((edge) => [direction, short(edge.other, 40), ...rest(edge)]),
        ],
      }}
    >
      <div class="pair">
        <Way title="from" edges={edges.from} />
        <Way title="into" edges={edges.to} />
      </div>
    </Figure>
  );
}

const rest = ({ side, value, predicted, low, high, measured }: CardEdge) => [
  short(side, 20),
  value,
  predicted,
  low,
  high,
  measured,
];

function Way({ title, edges }: { title: string; edges: readonly CardEdge[] }) {
  const { data, state, link } = useExplorer();
  const largest = Math.max(...edges.map(({ predicted }) => Math.abs(predicted)), 1e-9);
  const sided = new Set(edges.map(({ side }) => side)).size > 1;
  if (edges.length === 0) return null;
  return (
    <table class="ends">
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col">arrives</th>
          <th scope="col">foreseen</th>
          <th scope="col">cut</th>
        </tr>
      </thead>
      <tbody>
        {edges.map(({ other, side, value, predicted, measured }) => (
          <tr key={`${other} ${side}`}>
            <th scope="row">
              {data.flatOf(other) === null ? (
                short(other, 40)
              ) : (
                <a href={link({ view: 'direction', of: other })}>{other}</a>
              )}
              {sided && <span class="dim"> {short(side, 20)}</span>}
              {state.names[other] && <em> {short(state.names[other], 30)}</em>}
            </th>
            <td>{number(value)}</td>
            <td>
              <span
                class={predicted >= 0 ? 'bar up' : 'bar down'}
                style={{ width: `${(56 * Math.abs(predicted)) / largest}px` }}
              />{' '}
              {signed(predicted)}
            </td>
            <td>{signed(measured)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
