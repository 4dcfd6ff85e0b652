/** Under the navigation: what changing the circuit did to its scores, and the way back. */
import { useEffect } from 'preact/hooks';
import { count, decimal, percent } from '../../report/figures.js';
import { AS_FOUND } from '../edit.js';
import type { LiveScores } from '../live.js';
import { useAsk } from './ask.js';
import { isChanged, useExplorer } from './state.js';
import { short } from './text.js';

export function EditBar() {
  const { data, state, edit, undo, link } = useExplorer();
  const changed = isChanged(state.edit);
  const live = data.core.live !== null;
  const now = useAsk('scores', live && changed ? { edit: state.edit } : null);
  const found = useAsk('scores', live && changed ? { edit: AS_FOUND } : null);
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName);
      if (!undo || typing || event.key.toLowerCase() !== 'z' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      undo();
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, [undo]);
  if (!changed && !undo) return null;
  const { base, changes } = state.edit;
  const from = base === 'circuit' ? '' : base === 'full' ? ', of all directions' : ', of none';
  return (
    <section class="edits" aria-label="Your changes">
      <p>
        <a href={link({ view: 'try', of: '' })}>
          {changes.length === 1 ? '1 change' : `${count(changes.length)} changes`}
          {from}
        </a>{' '}
        <span role="status" class={now.busy ? 'dim' : undefined}>
          {!changed ? (
            'the circuit as found'
          ) : now.error ? (
            short(now.error, 200)
          ) : now.answer && found.answer ? (
            <Comparison now={now.answer} found={found.answer} />
          ) : live ? (
            'scoring …'
          ) : (
            <>
              to score them: <code>orthoscope view {data.core.folder}</code>
            </>
          )}
        </span>
      </p>
      <p class="buttons">
        <button type="button" disabled={!undo} onClick={() => undo?.()} title="Ctrl+Z">
          Undo
        </button>
        <button type="button" disabled={!changed} onClick={() => edit(AS_FOUND)}>
          As found
        </button>
      </p>
    </section>
  );
}

function Comparison({ now, found }: { now: LiveScores; found: LiveScores }) {
  const pairs: [string, string, string][] = [
    ['kept', count(found.kept), count(now.kept)],
    ['KL', decimal(found.kl), decimal(now.kl)],
    ['same next token', percent(found.exact_match), percent(now.exact_match)],
    ['accuracy', percent(found.accuracy), percent(now.accuracy)],
    ['logit difference', decimal(found.logit_diff), decimal(now.logit_diff)],
  ];
  return (
    <>
      {pairs.map(([name, before, after]) => (
        <span key={name} class="pairing">
          {name} {before} → <strong>{after}</strong>
        </span>
      ))}
    </>
  );
}
