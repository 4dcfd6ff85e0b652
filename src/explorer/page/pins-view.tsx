/** What a reader marked: pins, names, groups and notes; saved, loaded and given to other commands. */
import { useRef, useState } from 'preact/hooks';
import { NumbersTable } from './figure.js';
import { groupOf } from './marks.js';
import { masksOf } from './masks-of.js';
import { save } from './save.js';
import { checkedMarks, type Marks, useExplorer } from './state.js';
import { short, visible } from './text.js';

export function PinsView() {
  const { data, state, go, link } = useExplorer();
  const { pins, names, notes, groups } = state;
  const file = useRef<HTMLInputElement>(null);
  const [trouble, setTrouble] = useState('');
  const marked = [
    ...new Set([...pins, ...Object.keys(names), ...Object.keys(notes), ...Object.values(groups).flat()]),
  ].filter((name) => data.flatOf(name) !== null);
  const rows = marked.map((name) => [
    name,
    names[name] ?? null,
    groupOf(state, name) || null,
    notes[name] ?? null,
    data.isKept(data.flatOf(name)!, state.size) ? 'yes' : 'no',
  ]);
  const load = async () => {
    const [chosen] = file.current?.files ?? [];
    if (!chosen) return;
    try {
      if (chosen.size > 1e6) throw new Error('is larger than 1 MB');
      go(checkedMarks(JSON.parse(await chosen.text())));
      setTrouble('');
    } catch (error) {
      setTrouble(`${chosen.name}: ${(error as Error).message}; choose a file that this page saved`);
    }
  };
  const list = pins.filter((name) => data.flatOf(name) !== null).join(',');
  const commands = list
    ? [
        `orthoscope intervene ${data.core.folder} --directions ${list} --change ablate`,
        `orthoscope interpret ${data.core.folder} --directions ${list} --exact ${pins.length}`,
        `orthoscope evaluate ${data.core.folder} --masks pins.safetensors`,
        `orthoscope score ${data.core.folder} --directions ${list} --data prompts.jsonl`,
      ]
    : [];
  return (
    <>
      <h1>Pins, names, groups and notes</h1>
      <p>They live in this page’s address: a copied link carries them. Or save them as a file.</p>
      <p class="buttons">
        <button
          type="button"
          onClick={() =>
            save(
              'orthoscope-marks.json',
              'application/json',
              JSON.stringify({ pins, names, notes, groups } satisfies Marks, null, 2),
            )
          }
        >
          Save file
        </button>
        <button type="button" onClick={() => file.current?.click()}>
          Load file
        </button>
        <input ref={file} type="file" accept=".json" hidden aria-label="File of marks" onChange={load} />
        <button
          type="button"
          onClick={() =>
            save('pins.csv', 'text/csv', `direction\n${pins.map((name) => `${name}\n`).join('')}`)
          }
        >
          Save pins as CSV
        </button>
        <button
          type="button"
          onClick={() =>
            save(
              'pins.safetensors',
              'application/octet-stream',
              masksOf(
                data,
                pins.flatMap((name) => data.flatOf(name) ?? []),
              ),
            )
          }
        >
          Save pins as masks
        </button>
      </p>
      {trouble && (
        <p class="notice" role="alert">
          {short(trouble, 200)}
        </p>
      )}
      {marked.length === 0 ? (
        <p>Nothing is marked yet. Open a direction and press “Pin”.</p>
      ) : (
        <>
          <ul class="plainlist">
            {pins.map((name) => (
              <li key={name}>
                <a href={link({ view: 'direction', of: name })}>{short(name, 40)}</a>{' '}
                {names[name] && <em>{short(names[name], 60)}</em>}
              </li>
            ))}
          </ul>
          <NumbersTable
            columns={['direction', 'name', 'group', 'note', 'kept']}
            rows={rows.map((row) => row.map((cell) => cell && short(cell, 120)))}
            label="Marked directions"
          />
          {commands.length > 0 && (
            <>
              <h2>On the command line</h2>
              <pre class="wrap">{commands.map(visible).join('\n')}</pre>
            </>
          )}
        </>
      )}
    </>
  );
}
