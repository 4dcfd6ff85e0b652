/** Pin, name, group and note of one direction. */
import { groupOf, regroup, togglePin } from './marks.js';
import { useExplorer } from './state.js';

export function Marking({ name }: { name: string }) {
  const { state, go } = useExplorer();
  const { pins, names, notes, groups } = state;
  const pinned = pins.includes(name);
  const set = (record: Record<string, string>, text: string) => {
    const { [name]: _, ...others } = record;
    return text ? { ...others, [name]: text } : others;
  };
  return (
    <div class="choices marking">
      <button type="button" aria-pressed={pinned} onClick={() => go(togglePin(state, name))}>
        {pinned ? 'Unpin' : 'Pin'}
      </button>
      <label>
        Name{' '}
        <input
          value={names[name] ?? ''}
          maxLength={80}
          onChange={({ currentTarget }) => go({ names: set(names, currentTarget.value) })}
        />
      </label>
      <label>
        Group{' '}
        <input
          value={groupOf(state, name)}
          maxLength={40}
          list="groups"
          onChange={({ currentTarget }) => go(regroup(state, name, currentTarget.value.trim()))}
        />
      </label>
      <datalist id="groups">
        {Object.keys(groups).map((key) => (
          <option key={key} value={key} />
        ))}
      </datalist>
      <label class="wide">
        Note{' '}
        <input
          value={notes[name] ?? ''}
          maxLength={500}
          onChange={({ currentTarget }) => go({ notes: set(notes, currentTarget.value) })}
        />
      </label>
    </div>
  );
}
