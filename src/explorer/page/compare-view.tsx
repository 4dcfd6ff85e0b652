/** Another run beside this one: what both keep, what one of them keeps, and how each does. */
import { useRef, useState } from 'preact/hooks';
import { count } from '../../report/figures.js';
import type { Data } from './data.js';
import { Figure } from './figure.js';
import { readOtherPage } from './other-page.js';
import { SharedComponents } from './shared-components.js';
import { useExplorer } from './state.js';
import { short } from './text.js';

export function CompareView() {
  const { data, other, setOther } = useExplorer();
  const file = useRef<HTMLInputElement>(null);
  const [trouble, setTrouble] = useState('');
  const load = async () => {
    const [chosen] = file.current?.files ?? [];
    if (!chosen) return;
    try {
      setOther({ name: chosen.name, data: await readOtherPage(chosen, data) });
      setTrouble('');
    } catch (error) {
      setTrouble(
        `${chosen.name}: ${(error as Error).message}; choose the report.html of a run on the same model`,
      );
    }
    file.current!.value = '';
  };
  return (
    <>
      <h1>Two runs side by side</h1>
      <p>
        Choose the page of another run on the same model (its <code>report.html</code>): another seed, task or
        price. It stays on this machine.
      </p>
      <p class="buttons">
        <button type="button" onClick={() => file.current?.click()}>
          Choose a page
        </button>
        <input
          ref={file}
          type="file"
          accept=".html"
          hidden
          aria-label="Page of another run"
          onChange={load}
        />
        {other && (
          <button type="button" onClick={() => setOther(null)}>
            Put it away
          </button>
        )}
      </p>
      {trouble && (
        <p class="notice" role="alert">
          {short(trouble, 300)}
        </p>
      )}
      {other && <Both {...other} />}
    </>
  );
}

function Both({ name, data: other }: { name: string; data: Data }) {
  const { data } = useExplorer();
  const both: number[] = [];
  const here: number[] = [];
  const there: number[] = [];
  for (let flat = 0; flat < data.size; flat++) {
    const [own, its] = [data.isKept(flat, null), other.isKept(flat, null)];
    if (own) (its ? both : here).push(flat);
    else if (its) there.push(flat);
  }
  const union = both.length + here.length + there.length;
  const chance = ((both.length + here.length) * (both.length + there.length)) / data.size;
  return (
    <>
      <p class="verdict">
        <strong>
          {count(both.length)} of {count(union)} directions are kept by both
        </strong>
        ; two sets of their sizes drawn at random would share {chance.toFixed(1)}.
      </p>
      <HowEachDoes name={name} other={other} />
      <SharedComponents other={other} />
      <div class="columns">
        <Kept title="Kept here alone" flats={here} />
        <Kept title="Kept there alone" flats={there} />
      </div>
      <Kept title="Kept by both" flats={both} />
    </>
  );
}

function HowEachDoes({ name, other }: { name: string; other: Data }) {
  const { data } = useExplorer();
  const its = `the other (${short(name, 30)})`;
  const [here, there] = [data, other].map(
    ({ core }) => core.said.rows.find(({ isCircuit }) => isCircuit)!.figures,
  );
  const attacked = ({ core }: Data) => core.metrics.splits[core.split]!.attack?.kl ?? null;
  const rows: [string, string, string][] = [
    ['prompts', short(data.core.source, 60), short(other.core.source, 60)],
    ...(
      [
        ['directions kept', 'active'],
        ['KL (nats)', 'kl'],
        ['same next token', 'exact_match'],
        ['accuracy', 'accuracy'],
        ['logit difference', 'logit_diff'],
        ['faithfulness', 'faithfulness'],
      ] as const
    ).map(([title, key]): [string, string, string] => [
      title,
      ...([here!, there!].map((figures) => `${figures[key].value} ${figures[key].spread}`.trim()) as [
        string,
        string,
      ]),
    ]),
    [
      'KL under attack',
      ...([data, other].map((run) => attacked(run)?.toFixed(3) ?? '–') as [string, string]),
    ],
  ];
  return (
    <Figure
      title="How each does"
      how="Each circuit on its own test prompts; where those differ, the figures answer different questions."
      numbers={{ columns: ['', 'this run', its], rows }}
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" aria-label="How each does" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <td />
              <th scope="col">this run</th>
              <th scope="col">{its}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([title, a, b]) => (
              <tr key={title}>
                <th scope="row">{title}</th>
                <td>{a}</td>
                <td>{b}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </Figure>
  );
}

/** Names that are shown; the saved table holds all. */
const SHOWN = 60;

function Kept({ title, flats }: { title: string; flats: readonly number[] }) {
  const { data, state, link } = useExplorer();
  const rests = (flat: number) => data.rests(flat)?.kl ?? Number.NEGATIVE_INFINITY;
  const sorted = [...flats].sort((a, b) => rests(b) - rests(a) || a - b);
  return (
    <Figure
      title={`${title}: ${count(flats.length)}`}
      how="Those on which most rests in this run first, as far as that is known."
      numbers={{
        columns: ['direction', 'name', 'KL grows by without it, here'],
        rows: sorted.map((flat) => [
          data.name(flat),
          state.names[data.name(flat)] ?? null,
          data.rests(flat)?.kl ?? null,
        ]),
      }}
    >
      <p class="names">
        {sorted.slice(0, SHOWN).map((flat) => {
          const name = data.name(flat);
          return (
            <a key={flat} href={link({ view: 'direction', of: name })}>
              {name}
              {state.names[name] && <em> {short(state.names[name], 30)}</em>}
            </a>
          );
        })}
        {sorted.length > SHOWN && <span class="dim">and {count(sorted.length - SHOWN)} more</span>}
      </p>
    </Figure>
  );
}
