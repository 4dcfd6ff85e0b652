/** Saves the changed circuit as masks beside the run. */
import { useState } from 'preact/hooks';
import type { Asks } from '../live.js';
import { ask } from './ask.js';
import { useExplorer } from './state.js';
import { short } from './text.js';

export function SavePanel() {
  const { state } = useExplorer();
  const [name, setName] = useState('');
  const [saved, setSaved] = useState<Asks['save']['answer'] | null>(null);
  const [error, setError] = useState('');
  const save = async () => {
    setSaved(null);
    setError('');
    try {
      setSaved(await ask('save', { edit: state.edit, name }));
    } catch (error) {
      setError((error as Error).message);
    }
  };
  return (
    <section aria-labelledby="save-masks">
      <h2 id="save-masks">Save as masks</h2>
      <form
        class="choices"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <label>
          Name{' '}
          <input
            value={name}
            required
            pattern="[A-Za-z0-9][\w\-]*"
            maxLength={60}
            placeholder="without-L2H3"
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
        <button type="submit">Save</button>
      </form>
      {error && (
        <p class="notice" role="alert">
          {short(error, 300)}
        </p>
      )}
      {saved && (
        <p role="status">
          {short(saved.path, 300)}; to measure it beside controls: <code>{short(saved.command, 300)}</code>
        </p>
      )}
    </section>
  );
}
