/** Attention of a head: in full, with only the kept directions, and with one. */
import { useState } from 'preact/hooks';
import type { HeadPattern, PromptCard } from '../../interpret/prompt-card.js';
import { percent } from '../../report/figures.js';
import { type Cell, Figure } from './figure.js';
import { useExplorer } from './state.js';
import { short } from './text.js';

export function AttentionFigure({
  tokens,
  attention,
  full,
}: Pick<PromptCard, 'tokens' | 'attention' | 'full'>) {
  const { state, go, link } = useExplorer();
  const strongest = full?.components.find(([name]) => name.endsWith('.ov'))?.[0].slice(0, -3);
  const chosen = attention.find(({ head }) => head === (state.head || strongest)) ?? attention[0];
  const [query, setQuery] = useState<number | null>(null);
  if (!chosen) return null;
  const at = Math.min(query ?? tokens.length - 1, tokens.length - 1);
  return (
    <Figure
      title={`Attention of ${short(chosen.head, 20)}`}
      how="A row is a token that looks, a column one that it sees; the stronger the colour, the more attention. Beside the full head stands what its kept query–key directions alone make of the same inputs. Click a row to see its numbers below."
      numbers={{
        columns: ['of', 'query', 'key', 'share'],
        rows: [
          ...patternRows('full', chosen.full, tokens),
          ...patternRows('kept only', chosen.kept ?? [], tokens),
          ...chosen.alone.flatMap(([direction, row]) =>
            patternRows(`${direction} alone`, [row], tokens, tokens.length - 1),
          ),
        ],
      }}
    >
      <div class="choices">
        <label>
          Head{' '}
          <select value={chosen.head} onChange={({ currentTarget }) => go({ head: currentTarget.value })}>
            {attention.map(({ head, kept }) => (
              <option key={head} value={head}>
                {short(head, 20)}
                {kept ? ' ●' : ''}
              </option>
            ))}
          </select>
        </label>
        <label>
          Token that looks{' '}
          <select value={at} onChange={({ currentTarget }) => setQuery(Number(currentTarget.value))}>
            {tokens.map((token, index) => (
              <option key={index} value={index}>
                {index} {short(token)}
              </option>
            ))}
          </select>
        </label>
        <a href={link({ view: 'component', of: `${chosen.head}.qk`, sort: '' })}>its query–key directions</a>
      </div>
      <div class="pair">
        <Pattern title="full" rows={chosen.full} tokens={tokens} at={at} onRow={setQuery} />
        {chosen.kept ? (
          <Pattern title="kept directions only" rows={chosen.kept} tokens={tokens} at={at} onRow={setQuery} />
        ) : (
          <p class="dim">
            The circuit keeps none of its query–key directions: what it looks at is that of the corrupted
            prompt.
          </p>
        )}
      </div>
      <Row chosen={chosen} tokens={tokens} at={at} />
    </Figure>
  );
}

/** @param first which token the first row's query is */
function patternRows(of: string, rows: number[][], tokens: string[], first = 0): Cell[][] {
  const name = (at: number) => `${at} ${short(tokens[at]!)}`;
  return rows.flatMap((row, q) => row.map((share, key) => [of, name(first + q), name(key), share]));
}

function Pattern({
  title,
  rows,
  tokens,
  at,
  onRow,
}: {
  title: string;
  rows: number[][];
  tokens: string[];
  at: number;
  onRow(query: number): void;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label={`Attention, ${title}`} tabIndex={0}>
      <table class="pattern">
        <caption>{title}</caption>
        <tbody>
          {rows.map((row, query) => (
            <tr key={query} class={query === at ? 'at' : undefined} onClick={() => onRow(query)}>
              <th scope="row">
                <bdi>{short(tokens[query]!)}</bdi>
              </th>
              {tokens.map((token, key) => (
                <td
                  key={key}
                  style={
                    row[key] === undefined ? undefined : { '--share': `${Math.round(100 * row[key]!)}%` }
                  }
                  class={row[key] === undefined ? 'unseen' : 'shade'}
                  title={
                    row[key] === undefined
                      ? undefined
                      : `${short(tokens[query]!)} → ${short(token)}: ${percent(row[key]!)}`
                  }
                />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Directions alone that are shown: those that look at one token most. */
const ALONE = 10;

function Row({ chosen, tokens, at }: { chosen: HeadPattern; tokens: string[]; at: number }) {
  const last = at === tokens.length - 1;
  const alone = [...chosen.alone].sort(([, a], [, b]) => Math.max(...b) - Math.max(...a));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label="Attention of one token" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">
              seen from {at} {short(tokens[at]!)}
            </th>
            {chosen.full[at]!.map((_, key) => (
              <th scope="col" key={key}>
                <bdi>{short(tokens[key]!)}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Shares name="full" row={chosen.full[at]!} />
          {chosen.kept && <Shares name="kept only" row={chosen.kept[at]!} />}
          {last &&
            alone
              .slice(0, ALONE)
              .map(([direction, row]) => <Shares key={direction} name={`${direction} alone`} row={row} />)}
        </tbody>
      </table>
      {last && alone.length > ALONE && (
        <p class="dim">
          {alone.length - ALONE} more directions, which look at no token as much as these, are in the numbers.
        </p>
      )}
    </section>
  );
}

function Shares({ name, row }: { name: string; row: number[] }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {row.map((share, key) => (
        <td key={key} class="shade" style={{ '--share': `${Math.round(45 * share)}%` }}>
          {percent(share)}
        </td>
      ))}
    </tr>
  );
}
