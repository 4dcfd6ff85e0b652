/** The engine at hand: circuits side by side, a prompt of one's own, the adversary, and masks to take away. */
import { useState } from 'preact/hooks';
import { changed, type Edit, editedMasks, type To } from '../edit.js';
import { AttackPanel } from './attack-panel.js';
import { Drafts } from './drafts.js';
import { SavePanel } from './save-panel.js';
import { useExplorer } from './state.js';
import { short } from './text.js';
import { TypedPromptPanel } from './typed-prompt.js';

export function TryView() {
  const { data } = useExplorer();
  return (
    <>
      <h1>Try</h1>
      {data.core.live ? (
        <>
          <p>
            Switch directions, components and heads on and off on their cards, or here. Everything that is
            left out reads what it would on the corrupted prompt, as in the run.
          </p>
          <Changes />
          <Drafts />
          <TypedPromptPanel />
          <AttackPanel />
          <SavePanel />
        </>
      ) : (
        <p class="missing">
          This page is a file, with no engine behind it. To change the circuit, try prompts of your own,
          attack it and save masks: <code>orthoscope view {data.core.folder}</code>, and open the address that
          it prints.
        </p>
      )}
    </>
  );
}

const BASE_NAMES: Record<Edit['base'], string> = {
  circuit: 'the circuit as found',
  full: 'all directions',
  none: 'no direction',
};

function Changes() {
  const { state, edit, link, data } = useExplorer();
  const { base, changes } = state.edit;
  return (
    <section aria-label="Changes">
      <fieldset class="choices">
        <legend>Begin with</legend>
        {Object.entries(BASE_NAMES).map(([value, title]) => (
          <label key={value}>
            <input
              type="radio"
              name="base"
              checked={base === value}
              onChange={() => edit({ ...state.edit, base: value as Edit['base'] })}
            />{' '}
            {title}
          </label>
        ))}
      </fieldset>
      <SwitchForm />
      {changes.length > 0 && (
        <ul class="plainlist">
          {changes.map(([name, to]) => (
            <li key={name}>
              {data.flatOf(name) !== null ? (
                <a href={link({ view: 'direction', of: name })}>{name}</a>
              ) : data.byName.has(name) ? (
                <a href={link({ view: 'component', of: name, sort: '' })}>{name}</a>
              ) : (
                short(name, 40)
              )}{' '}
              {said(to)}{' '}
              <button
                type="button"
                aria-label={`Take back ${short(name, 40)}`}
                onClick={() => edit({ base, changes: changes.filter(([own]) => own !== name) })}
              >
                Take back
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function said(to: To): string {
  if (to === 'swap') return 'swapped';
  return to === 0 ? 'left out' : to === 1 ? 'kept' : `× ${to.toFixed(2)}`;
}

/** Changes by name, for whoever knows what it is called. */
function SwitchForm() {
  const { data, state, edit } = useExplorer();
  const [name, setName] = useState('');
  const [trouble, setTrouble] = useState('');
  const set = (to: To) => {
    const names = name.split(/[\s,]+/).filter(Boolean);
    const next = names.reduce((all, each) => changed(all, each, to), state.edit);
    const { unknown } = editedMasks(data.places, data.values.masks!, {
      base: 'circuit',
      changes: names.map((each) => [each, to]),
    });
    if (names.length === 0 || unknown.length > 0)
      return setTrouble(
        `${unknown[0] ?? 'nothing'}: is no head (L2H3), component (L2H3.ov) or direction (L2H3.ov.4)`,
      );
    setTrouble('');
    setName('');
    edit(next);
  };
  return (
    <form
      class="choices"
      onSubmit={(event) => {
        event.preventDefault();
        set(0);
      }}
    >
      <label>
        Heads, components, directions{' '}
        <input
          value={name}
          placeholder="L2H3, L1H2.ov.4"
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
      </label>
      <button type="submit">Leave out</button>
      <button type="button" onClick={() => set(1)}>
        Keep
      </button>
      <button type="button" onClick={() => set('swap')}>
        Swap
      </button>
      {state.pins.length > 0 && (
        <button type="button" onClick={() => setName(state.pins.join(', '))}>
          My pins
        </button>
      )}
      {trouble && (
        <span class="notice" role="alert">
          {short(trouble, 200)}
        </span>
      )}
    </form>
  );
}
