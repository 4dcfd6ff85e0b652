/** Pin, name, group and note of one direction. */
import { useExplorer } from './state.js';

export function Marking({ name }: { name: string }) {
  const { state, go } = useExplorer();
  const { pins, names, notes, groups } = state;
  const pinned = pins.includes(name);
  const group = Object.entries(groups).find(([, members]) => members.includes(name))?.[0] ?? '';
  const set = (record: Record<string, string>, text: string) => {
    const { [name]: _, ...others } = record;
    return text ? { ...others, [name]: text } : others;
  };
  const regroup = (to: string) => {
    const without = Object.entries(groups).map(([key, members]): [string, string[]] => [
      key,
      members.filter((each) => each !== name),
    ]);
    const all = Object.fromEntries(without.filter(([, members]) => members.length > 0));
    go({ groups: to ? { ...all, [to]: [...(all[to] ?? []), name] } : all });
  };
  return (
    <div class="choices marking">
      <button
        type="button"
        aria-pressed={pinned}
        onClick={() => go({ pins: pinned ? pins.filter((each) => each !== name) : [...pins, name] })}
      >
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
          value={group}
          maxLength={40}
          list="groups"
          onChange={({ currentTarget }) => regroup(currentTarget.value.trim())}
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
