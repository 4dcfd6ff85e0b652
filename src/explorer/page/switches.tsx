/** Switches a direction, a component or a head on and off, or scales it. */
import { changed, MOST_MASK, type To } from '../edit.js';
import { useExplorer } from './state.js';

/** @param name of a direction or a component; a component's head, too, can then be switched */
export function Switches({ name }: { name: string }) {
  const { data, state, edit } = useExplorer();
  if (!data.core.live)
    return (
      <p class="dim">
        To change it and see what happens: <code>orthoscope view {data.core.folder}</code>
      </p>
    );
  const flat = data.flatOf(name);
  const own = state.edit.changes.findLast(([each]) => each === name)?.[1];
  const masks = data.edited(state.edit);
  const place = data.byName.get(name);
  const head = place && place.head !== null ? `L${place.layer}H${place.head}` : null;
  const to = own ?? (flat === null ? null : masks[flat]!);
  const mask = to === 'swap' ? null : to;
  const set = (of: string, value: To | null) => edit(changed(state.edit, of, value));
  return (
    <fieldset class="choices switches">
      <legend>{flat === null ? `All of ${name}` : 'In the circuit'}</legend>
      <button type="button" aria-pressed={mask === 0} onClick={() => set(name, 0)}>
        Leave out
      </button>
      <button type="button" aria-pressed={mask === 1} onClick={() => set(name, 1)}>
        Keep
      </button>
      <button
        type="button"
        aria-pressed={to === 'swap'}
        title="At the last token it becomes what it is, in the mean, on training prompts with the other answer"
        onClick={() => set(name, 'swap')}
      >
        Swap
      </button>
      <label class="scale">
        Scale{' '}
        <input
          type="range"
          min={0}
          max={MOST_MASK}
          step={0.05}
          value={mask ?? 1}
          aria-valuetext={
            to === 'swap' ? 'swapped' : mask === null ? 'as the circuit has them' : `times ${mask.toFixed(2)}`
          }
          onChange={({ currentTarget }) => set(name, Number(currentTarget.value))}
        />{' '}
        <output>{to === 'swap' ? 'swapped' : mask === null ? '' : `× ${mask.toFixed(2)}`}</output>
      </label>
      <button type="button" disabled={own === undefined} onClick={() => set(name, null)}>
        As it was
      </button>
      {head && (
        <>
          <button type="button" onClick={() => set(head, 0)}>
            Leave out {head}
          </button>
          <button type="button" onClick={() => set(head, 1)}>
            Keep all of {head}
          </button>
        </>
      )}
    </fieldset>
  );
}
