/** Where to go on: the directions on which most rests. */
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';
import { short, signed, Token } from './text.js';
import { useLoaded } from './use-loaded.js';

const SHOWN = 8;

export function Strongest() {
  const { data, link } = useExplorer();
  const cards = useLoaded(() => data.cards(), [data]);
  if (data.core.cards.length === 0)
    return (
      <Missing
        what="What directions write, read and do was not computed"
        command={`orthoscope interpret ${data.core.folder} --out ${data.core.folder}/reading --traced 6`}
      />
    );
  const ranked = (cards ?? [])
    .map((card) => ({ card, rests: restsOn(card) }))
    .filter(({ rests }) => rests !== null)
    .sort((a, b) => b.rests! - a.rests!);
  return (
    <Figure
      title="Directions on which most rests"
      how="Sorted by how much KL grows when the direction alone is taken out of the circuit (measured, or estimated from the gradient where marked ≈). Open one to see what it writes and reads."
      numbers={{
        columns: ['direction', 'KL grows by', 'logit difference changes by', 'adds to the logit difference'],
        rows: ranked.map(({ card: { direction, importance, adds }, rests }) => [
          direction,
          rests,
          (importance?.dropped ?? importance?.dropped_estimate)?.logit_difference ?? null,
          adds?.mean ?? null,
        ]),
      }}
    >
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">direction</th>
              <th scope="col">KL grows by</th>
              <th scope="col">adds to logit diff</th>
              <th scope="col" class="left">
                what it does
              </th>
            </tr>
          </thead>
          <tbody>
            {ranked.slice(0, SHOWN).map(({ card, rests }) => (
              <tr key={card.direction}>
                <th scope="row">
                  <a href={link({ view: 'direction', of: card.direction })}>{card.direction}</a>
                </th>
                <td>
                  {card.importance?.dropped ? '' : '≈ '}
                  {signed(rests)}
                </td>
                <td>{signed(card.adds?.mean)}</td>
                <td class="left">
                  {card.label
                    ? short(card.label, 120)
                    : (card.raises ?? card.role?.highest ?? card.reads ?? [])
                        .slice(0, 5)
                        .map(({ token, id }) => <Token key={id}>{token}</Token>)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Figure>
  );
}

import type { DirectionCard } from '../snapshot.js';

/** By how much KL grows when the direction is dropped; null where that is not known. */
export function restsOn({ importance }: DirectionCard): number | null {
  return (importance?.dropped ?? importance?.dropped_estimate)?.kl ?? null;
}
