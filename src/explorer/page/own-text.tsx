/** A direction's coefficient at each token of a text of one's own; with an engine behind the page. */
import { useState } from 'preact/hooks';
import { useAsk } from './ask.js';
import { Figure } from './figure.js';
import { useExplorer } from './state.js';
import { short } from './text.js';
import { largestOf, Tinted } from './tinted.js';

export function OwnText({ direction }: { direction: string }) {
  const { data } = useExplorer();
  const [typed, setTyped] = useState('');
  const [text, setText] = useState('');
  const { answer, busy, error } = useAsk('activations', text ? { direction, text } : null);
  if (!data.core.live) return null;
  return (
    <Figure
      title="On a text of your own"
      how="Its coefficient in the full model at each token, earlier tokens read and later ones not: blue positive, orange negative."
      numbers={{
        columns: ['token', 'coefficient'],
        rows: (answer?.tokens ?? []).map((token, at) => [short(token, 60), answer!.values[at]!]),
      }}
    >
      <form
        class="choices"
        onSubmit={(event) => {
          event.preventDefault();
          setText(typed);
        }}
      >
        <label class="wide">
          Text{' '}
          <input
            value={typed}
            maxLength={20_000}
            placeholder="When Mary and John went to the store"
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </label>
        <button type="submit">Read it</button>
      </form>
      {error && (
        <p class="notice" role="alert">
          {short(error, 300)}
        </p>
      )}
      {answer && (
        <p class={busy ? 'prompt dim' : 'prompt'}>
          <Tinted tokens={answer.tokens} values={answer.values} largest={largestOf(answer.values)} />
        </p>
      )}
    </Figure>
  );
}
