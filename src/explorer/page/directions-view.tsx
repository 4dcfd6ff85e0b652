/** All directions in one list. */
import { useMemo } from 'preact/hooks';
import { count } from '../../report/figures.js';
import { number } from './figure.js';
import { groupOf, markedByKey } from './marks.js';
import { SizeNote } from './size-note.js';
import { useExplorer } from './state.js';
import { short, signed } from './text.js';
import { VirtualList } from './virtual-list.js';

const ORDERS = {
  '': 'kept first',
  model: 'as in the model',
  sigma: 'by σ',
  importance: 'by what rests on them',
  keeping: 'by how many runs keep them',
};

export function DirectionsView() {
  const { data, state, members, go } = useExplorer();
  const { sigma, soft, keeping } = data.values;
  const filter = state.filter.trim().toLowerCase();
  const shown = useMemo(() => {
    const found: number[] = [];
    for (const place of data.places) {
      const own = place.name.toLowerCase();
      for (let index = 0; index < place.directions; index++) {
        const flat = place.start + index;
        const name = `${own}.${index}`;
        if (!filter || name.includes(filter) || state.names[data.name(flat)]?.toLowerCase().includes(filter))
          found.push(flat);
      }
    }
    const keys: Record<string, (flat: number) => number> = {
      '': (flat) => Number(data.isKept(flat, members)),
      sigma: (flat) => sigma?.[flat] ?? 0,
      keeping: (flat) => keeping?.[flat] ?? 0,
      importance: (flat) => data.rests(flat)?.kl ?? Number.NEGATIVE_INFINITY,
    };
    const key = keys[state.sort];
    if (!key) return found;
    const values = new Map(found.map((flat) => [flat, key(flat)]));
    return found.sort((a, b) => values.get(b)! - values.get(a)! || a - b);
  }, [data, filter, state.sort, members, state.names]);
  return (
    <>
      <h1>{count(data.size)} directions</h1>
      <SizeNote />
      <div class="choices">
        <label>
          Find{' '}
          <input
            type="search"
            value={state.filter}
            placeholder="L2H2.ov, or a name of yours"
            onInput={({ currentTarget }) => go({ filter: currentTarget.value })}
          />
        </label>
        <label>
          Order{' '}
          <select value={state.sort} onChange={({ currentTarget }) => go({ sort: currentTarget.value })}>
            {Object.entries(ORDERS)
              .filter(([value]) => value !== 'keeping' || keeping)
              .map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
          </select>
        </label>
        <span class="dim" role="status">
          {count(shown.length)} shown
        </span>
      </div>
      {shown.length === 0 ? (
        <p>No direction has that in its name.</p>
      ) : (
        <VirtualList
          label="Directions"
          count={shown.length}
          height={Math.max(300, innerHeight - 280)}
          onKey={(key, at) => {
            const marks = markedByKey(state, data.name(shown[at]!), key);
            if (marks) go(marks);
            return marks !== null;
          }}
          onOpen={(at) => go({ view: 'direction', of: data.name(shown[at]!) })}
          row={(at) => {
            const flat = shown[at]!;
            const name = data.name(flat);
            return (
              <>
                <span class="name">
                  {data.isKept(flat, members) ? '●' : '○'} {name}{' '}
                  {state.names[name] && <em>{short(state.names[name], 30)}</em>}
                  {state.pins.includes(name) && ' ★'}
                  {groupOf(state, name) && <span class="dim"> [{short(groupOf(state, name), 20)}]</span>}
                </span>
                <span>σ {sigma ? number(sigma[flat]!) : '–'}</span>
                <span>
                  {state.sort === 'keeping' && keeping
                    ? `${keeping[flat]} of ${data.core.keeping!.runs} runs`
                    : `mask ${(soft?.[flat] ?? data.mask(flat)).toFixed(2)}`}
                </span>
                <span class="dim">
                  {data.rests(flat) ? `KL ${signed(data.rests(flat)!.kl)}` : data.hasCard(flat) ? 'card' : ''}
                </span>
              </>
            );
          }}
        />
      )}
      <p class="dim">
        ● kept, ○ left out, ★ pinned, [group]. In the list arrow keys move, Enter opens a card, P pins, a
        digit groups.
      </p>
    </>
  );
}
