/** Where to go on: the directions on which most rests. */
import { useMemo } from 'preact/hooks';
import { known } from './data.js';
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';
import { short, signed, Token } from './text.js';
import { useLoaded } from './use-loaded.js';

const SHOWN = 8;

export function Strongest() {
  const { data, link } = useExplorer();
  const { logit, adds } = data.values;
  const ranked = useMemo(
    () =>
      data.core.cards
        .flatMap((flat) => {
          const rests = data.rests(flat);
          return rests ? [{ flat, name: data.name(flat), rests }] : [];
        })
        .sort((a, b) => b.rests.kl - a.rests.kl),
    [data],
  );
  const cards = useLoaded(
    () => Promise.all(ranked.slice(0, SHOWN).map(({ flat }) => data.card(flat))),
    [ranked],
  );
  if (data.core.cards.length === 0)
    return (
      <Missing
        what="What directions write, read and do was not computed"
        command={`orthoscope interpret ${data.core.folder} --out ${data.core.folder}/reading --traced 6`}
      />
    );
  return (
    <Figure
      title="Directions on which most rests"
      how="Sorted by how much KL grows when the direction alone is taken out of the circuit (measured, or estimated from the gradient where marked ≈). Open one to see what it writes and reads."
      numbers={{
        columns: ['direction', 'KL grows by', 'logit difference changes by', 'adds to the logit difference'],
        rows: ranked.map(({ flat, name, rests }) => [
          name,
          rests.kl,
          known(logit?.[flat]),
          known(adds?.[flat]),
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
            {ranked.slice(0, SHOWN).map(({ flat, name, rests }, at) => {
              const card = cards?.[at];
              return (
                <tr key={name}>
                  <th scope="row">
                    <a href={link({ view: 'direction', of: name })}>{name}</a>
                  </th>
                  <td>
                    {rests.estimated ? '≈ ' : ''}
                    {signed(rests.kl)}
                  </td>
                  <td>{signed(known(adds?.[flat]))}</td>
                  <td class="left">
                    {card?.label
                      ? short(card.label, 120)
                      : (card?.raises ?? card?.role?.highest ?? card?.reads ?? [])
                          .slice(0, 5)
                          .map(({ token, id }) => <Token key={id}>{token}</Token>)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Figure>
  );
}
