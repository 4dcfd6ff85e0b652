/** The logit difference as an exact sum, of the full model and of the circuit. */
import * as Plot from '@observablehq/plot';
import type { LogitParts, PromptCard } from '../../interpret/prompt-card.js';
import { decimal } from '../../report/figures.js';
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { useExplorer } from './state.js';
import { short, signed } from './text.js';

const SHOWN = 14;
const OTHERS = 'all others';

export function SumFigure({
  full,
  circuit,
  by,
}: Pick<PromptCard, 'full' | 'circuit'> & { by: 'components' | 'directions' }) {
  const { data, link } = useExplorer();
  if (!full)
    return (
      <Missing
        what="The prompt names no answer and distractor, so there is no logit difference"
        command="orthoscope trace RUN --prompt … --answer … --distractor …"
      />
    );
  const [own, of] = [partsBy(full, by), circuit && partsBy(circuit, by)];
  const names = [...own.keys()].sort((a, b) => size(own, of, b) - size(own, of, a));
  const shown = names.filter((name) => name !== OTHERS).slice(0, SHOWN);
  const rest = (parts: Map<string, number>, total: number) =>
    total - shown.reduce((sum, name) => sum + (parts.get(name) ?? 0), 0);
  const rows: [string, number, number | null][] = [
    ...shown.map((name): [string, number, number | null] => [
      name,
      own.get(name) ?? 0,
      of ? (of.get(name) ?? 0) : null,
    ]),
    [OTHERS, rest(own, full.total), of ? rest(of, circuit!.total) : null],
  ];
  const largest = Math.max(...rows.flatMap(([, a, b]) => [Math.abs(a), Math.abs(b ?? 0)]), 1e-9);
  const stacked = rows.flatMap(([name, a, b]) => [
    { name, model: 'full', value: a },
    ...(b === null ? [] : [{ name, model: 'circuit', value: b }]),
  ]);
  const words = by === 'components' ? 'component' : 'direction';
  return (
    <Figure
      title={`Logit difference by ${words}`}
      how={`Every ${words} that writes to the last token adds its part; all parts add up to ${decimal(full.total)} exactly${circuit ? ` (circuit: ${decimal(circuit.total)})` : ''}. To the right of 0 it speaks for the answer, to the left against it.`}
      on={[full, circuit, by]}
      numbers={{
        columns: [words, 'full model', 'circuit'],
        rows: [...rows, ['sum', full.total, circuit?.total ?? null]],
      }}
      draw={(width) =>
        Plot.plot({
          ariaLabel: `Logit difference by ${words}, stacked`,
          width,
          height: circuit ? 126 : 96,
          marginBottom: 42,
          marginLeft: 56,
          x: { label: 'logit difference', labelAnchor: 'center', labelArrow: 'none', grid: true },
          y: { label: null, domain: circuit ? ['full', 'circuit'] : ['full'] },
          color: {
            domain: rows.map(([name]) => name),
            range: rows.map((_, at) => (at === rows.length - 1 ? '#8a8a85' : PALETTE[at % PALETTE.length]!)),
          },
          marks: [
            Plot.barX(
              stacked,
              Plot.stackX({
                y: 'model',
                x: 'value',
                fill: 'name',
                inset: 0.5,
                title: ({ name, model, value }: (typeof stacked)[number]) =>
                  `${name}, ${model}: ${signed(value)}`,
              }),
            ),
            Plot.ruleX([0], { stroke: 'var(--ink)' }),
          ],
        })
      }
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll" aria-label={`Parts by ${words}`} tabIndex={0}>
        <table class="ends">
          <thead>
            <tr>
              <th scope="col">{words}</th>
              <th scope="col">full model</th>
              {circuit && <th scope="col">circuit</th>}
            </tr>
          </thead>
          <tbody>
            {rows.map(([name, a, b], at) => (
              <tr key={name}>
                <th scope="row">
                  <span
                    class="swatch"
                    style={{ background: at === rows.length - 1 ? '#8a8a85' : PALETTE[at % PALETTE.length] }}
                    aria-hidden="true"
                  />
                  <PartName name={name} by={by} data={data} link={link} />
                </th>
                <Part value={a} largest={largest} />
                {b !== null && <Part value={b} largest={largest} />}
              </tr>
            ))}
            <tr class="circuit">
              <th scope="row">sum</th>
              <td>{signed(full.total)}</td>
              {circuit && <td>{signed(circuit.total)}</td>}
            </tr>
          </tbody>
        </table>
      </section>
    </Figure>
  );
}

/** Okabe and Ito's colours, told apart with any colour vision; then lighter ones of the same hues. */
const PALETTE = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#cc79a7',
  '#56b4e9',
  '#d55e00',
  '#b8ad1c',
  '#5a5a8f',
  '#7fb8d8',
  '#f2cf80',
  '#80cfb9',
  '#e6bcd3',
  '#aad9f4',
  '#eaaf80',
];

function partsBy(parts: LogitParts, by: 'components' | 'directions'): Map<string, number> {
  const { embedding, position, bias, components, directions, other_directions } = parts;
  const ends: [string, number][] = [
    ['embedding', embedding],
    ['position', position],
    ['unembedding bias', bias],
  ];
  return by === 'components'
    ? new Map([...components, ...ends])
    : new Map([...directions, ...ends, [OTHERS, other_directions]]);
}

function size(a: Map<string, number>, b: Map<string, number> | null, name: string): number {
  return Math.max(Math.abs(a.get(name) ?? 0), Math.abs(b?.get(name) ?? 0));
}

function PartName({
  name,
  by,
  data,
  link,
}: {
  name: string;
  by: string;
  data: ReturnType<typeof useExplorer>['data'];
  link: ReturnType<typeof useExplorer>['link'];
}) {
  if (by === 'components' && data.byName.has(name))
    return <a href={link({ view: 'component', of: name, sort: '' })}>{name}</a>;
  const flat = by === 'directions' ? data.flatOf(name) : null;
  if (flat === null) return <>{short(name, 40)}</>;
  return (
    <a href={link({ view: 'direction', of: name })}>
      {data.isKept(flat, null) ? '●' : '○'} {name}
    </a>
  );
}

function Part({ value, largest }: { value: number; largest: number }) {
  return (
    <td>
      <span
        class={value >= 0 ? 'bar up' : 'bar down'}
        style={{ width: `${(64 * Math.abs(value)) / largest}px` }}
      />{' '}
      {signed(value)}
    </td>
  );
}
