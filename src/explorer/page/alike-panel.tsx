/** Directions that do the same as one, as far as their cards say: suggestions for a group. */
import { useState } from 'preact/hooks';
import { percent } from '../../report/figures.js';
import type { DirectionCard } from '../snapshot.js';
import { type Alike, mostAlike } from './alike.js';
import { Figure } from './figure.js';
import { useExplorer } from './state.js';
import { short } from './text.js';

const SHOWN = 8;

export function AlikePanel({ card }: { card: DirectionCard }) {
  const { data, state, go, link } = useExplorer();
  const [found, setFound] = useState<Alike[] | null>(null);
  const look = async () => setFound(mostAlike(card, await data.allCards(), SHOWN));
  const own = Object.entries(state.groups).find(([, members]) => members.includes(card.direction));
  const [group, members] = own ?? [`like ${card.direction}`, [card.direction]];
  if (!found)
    return (
      <p class="buttons">
        <button type="button" onClick={look}>
          Find directions like it
        </button>
      </p>
    );
  return (
    <Figure
      title="Like it"
      how="Directions whose cards say the same: the share of tokens at the ends, classes of keys and edges that both have of those that either has, whichever sign they have. A suggestion for a group, no test."
      numbers={{
        columns: ['direction', 'likeness'],
        rows: found.map((each) => [each.direction, each.likeness]),
      }}
    >
      {found.length === 0 ? (
        <p>No other card says anything of the kind.</p>
      ) : (
        <ul class="plainlist">
          {found.map(({ direction, likeness }) => (
            <li key={direction}>
              <a href={link({ view: 'direction', of: direction })}>{direction}</a> {percent(likeness)}{' '}
              {state.names[direction] && <em>{short(state.names[direction], 40)} </em>}
              <button
                type="button"
                disabled={members.includes(direction)}
                aria-label={`Put ${direction} into the group`}
                onClick={() =>
                  go({ groups: { ...state.groups, [group]: [...new Set([...members, direction])] } })
                }
              >
                {members.includes(direction) ? `In “${short(group, 40)}”` : `Into “${short(group, 40)}”`}
              </button>
            </li>
          ))}
        </ul>
      )}
    </Figure>
  );
}
