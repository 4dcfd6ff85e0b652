/** A prompt of one's own, or one of the run's test prompts, under the circuit as it is now. */
import { useState } from 'preact/hooks';
import { count } from '../../report/figures.js';
import type { TypedPrompt } from '../live.js';
import { useAsk } from './ask.js';
import { Doing } from './doing.js';
import { PromptFigures } from './prompt-view.js';
import { isChanged, useExplorer } from './state.js';
import { short } from './text.js';

const FIELDS: [key: keyof TypedPrompt, title: string, hint: string][] = [
  ['prompt', 'Prompt', 'When Mary and John went to the store, John gave a drink to'],
  [
    'corrupted',
    'Corrupted prompt',
    'the same without what decides the answer; else only the full model runs',
  ],
  ['answer', 'Answer', 'the likeliest token; with its space'],
  ['distractor', 'Against', 'the likeliest after the corrupted prompt'],
];

type Asked = { at: number } | { typed: TypedPrompt };

export function TypedPromptPanel() {
  const { data, state } = useExplorer();
  const [texts, setTexts] = useState<Partial<Record<keyof TypedPrompt, string>>>({});
  const [asked, setAsked] = useState<Asked | null>(null);
  const [at, setAt] = useState('0');
  const { answer, part, progress, busy, error } = useAsk('prompt', asked && { edit: state.edit, ...asked });
  const { prompts } = data.core.live!;
  // What is known of a prompt goes first; the last answer stays until something is known of the next one.
  const card = part ?? answer;
  const typed = (): TypedPrompt => ({
    prompt: texts.prompt ?? '',
    corrupted: texts.corrupted || null,
    answer: texts.answer || null,
    distractor: texts.distractor || null,
  });
  return (
    <section aria-labelledby="own-prompt">
      <h2 id="own-prompt">A prompt</h2>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          if (texts.prompt) setAsked({ typed: typed() });
        }}
      >
        {FIELDS.map(([key, title, hint]) => (
          <label key={key}>
            <span>{title}</span>
            <input
              value={texts[key] ?? ''}
              placeholder={hint}
              required={key === 'prompt'}
              maxLength={20_000}
              onInput={({ currentTarget }) => {
                setTexts({ ...texts, [key]: currentTarget.value });
                // Whoever types on waits for another prompt.
                if (busy) setAsked(null);
              }}
            />
          </label>
        ))}
        <p class="buttons">
          <button type="submit">Run it</button>
        </p>
      </form>
      <form
        class="choices"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked({ at: Number(at) });
        }}
      >
        <label>
          Or a test prompt, 0 to {count(prompts - 1)}{' '}
          <input
            type="number"
            min={0}
            max={prompts - 1}
            value={at}
            onInput={({ currentTarget }) => setAt(currentTarget.value)}
          />
        </label>
        <button type="submit">Run it</button>
      </form>
      {error && (
        <p class="notice" role="alert">
          {short(error, 300)}
        </p>
      )}
      {busy && (
        <p role="status">
          <Doing progress={progress} />
        </p>
      )}
      {card && (
        <div class={busy && !part ? 'dim' : undefined}>
          <p class="dim">
            {isChanged(state.edit)
              ? '“circuit” below is the circuit with your changes; they act on it at once.'
              : '“circuit” below is the one that was found; changes to it act here at once.'}
          </p>
          <PromptFigures card={card} />
        </div>
      )}
    </section>
  );
}
