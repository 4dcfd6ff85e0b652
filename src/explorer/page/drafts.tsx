/** Circuits side by side: as found, as changed, and those that were put aside. */
import { useEffect, useState } from 'preact/hooks';
import { count, decimal, percent } from '../../report/figures.js';
import { AS_FOUND, type Edit } from '../edit.js';
import type { LiveScores } from '../live.js';
import { useAsk } from './ask.js';
import { Figure } from './figure.js';
import { isChanged, useExplorer } from './state.js';
import { short } from './text.js';

const COLUMNS: [
  title: string,
  text: (scores: LiveScores) => string,
  of: (scores: LiveScores) => number | null,
][] = [
  ['kept', ({ kept }) => count(kept), ({ kept }) => kept],
  ['KL (nats)', ({ kl }) => decimal(kl), ({ kl }) => kl],
  ['same next token', ({ exact_match: match }) => percent(match), ({ exact_match }) => exact_match],
  ['accuracy', ({ accuracy }) => percent(accuracy), ({ accuracy }) => accuracy],
  ['logit difference', ({ logit_diff: own }) => decimal(own), ({ logit_diff }) => logit_diff],
  ['of the full model', ({ full_logit_diff: own }) => decimal(own), ({ full_logit_diff }) => full_logit_diff],
];

export function Drafts() {
  const { state, edit, go } = useExplorer();
  const [name, setName] = useState('');
  const [scores, setScores] = useState<Record<string, LiveScores>>({});
  const circuits: [string, Edit][] = [
    ['as found', AS_FOUND],
    ...(isChanged(state.edit) ? [['as changed', state.edit] as [string, Edit]] : []),
    ...Object.entries(state.drafts),
  ];
  const keep = () => {
    const own = name.trim() || `draft ${Object.keys(state.drafts).length + 1}`;
    go({ drafts: { ...state.drafts, [own]: state.edit } });
    setName('');
  };
  const one = Object.values(scores)[0];
  return (
    <Figure
      title="Circuits side by side"
      how={`Scored on ${one ? (one.prompts === one.of ? `all ${count(one.of)}` : `${count(one.prompts)} of ${count(one.of)}`) : 'the'} test prompts, means over them. Put a circuit aside to hold others against it.`}
      numbers={{
        columns: ['circuit', ...COLUMNS.map(([title]) => title)],
        rows: circuits.map(([title]) => [
          short(title, 60),
          ...COLUMNS.map(([, , of]) => (scores[title] ? of(scores[title]) : null)),
        ]),
      }}
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" aria-label="Circuits side by side" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">circuit</th>
              {COLUMNS.map(([title]) => (
                <th scope="col" key={title}>
                  {title}
                </th>
              ))}
              <td />
            </tr>
          </thead>
          <tbody>
            {circuits.map(([title, own]) => (
              <tr key={title} class={title === 'as changed' ? 'circuit' : undefined}>
                <th scope="row">{short(title, 60)}</th>
                <Scores edit={own} onScores={(found) => setScores((all) => ({ ...all, [title]: found }))} />
                <td class="doing">
                  {Object.hasOwn(state.drafts, title) && (
                    <>
                      <button type="button" onClick={() => edit(own)}>
                        Go on with it
                      </button>{' '}
                      <button
                        type="button"
                        aria-label={`Drop ${short(title, 60)}`}
                        onClick={() => {
                          const { [title]: _, ...others } = state.drafts;
                          go({ drafts: others });
                        }}
                      >
                        Drop
                      </button>
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <form
        class="choices"
        onSubmit={(event) => {
          event.preventDefault();
          keep();
        }}
      >
        <label>
          Put the circuit aside as{' '}
          <input
            value={name}
            maxLength={40}
            placeholder="without L2H3"
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
        <button type="submit">Put aside</button>
      </form>
    </Figure>
  );
}

function Scores({ edit, onScores }: { edit: Edit; onScores(scores: LiveScores): void }) {
  const { answer, busy, error } = useAsk('scores', { edit });
  useEffect(() => {
    if (answer) onScores(answer);
  }, [answer]);
  if (error) return <td colSpan={COLUMNS.length}>{short(error, 120)}</td>;
  return (
    <>
      {COLUMNS.map(([title, text]) => (
        <td key={title} class={busy ? 'dim' : undefined}>
          {answer ? text(answer) : '…'}
        </td>
      ))}
    </>
  );
}
