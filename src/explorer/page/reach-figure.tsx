/** Tokens × layers: from where heads carry what speaks for the answer, of the full model and of the circuit alone. */
import type { PromptCard } from '../../interpret/prompt-card.js';
import { Figure } from './figure.js';
import { short, signed } from './text.js';
import { largestOf } from './tinted.js';

export function ReachFigure({
  tokens,
  reach,
}: Pick<PromptCard, 'tokens'> & { reach: NonNullable<PromptCard['reach']> }) {
  if (reach.length === 0) return null;
  const largest = largestOf(reach.flatMap(({ full, kept }) => [...full, ...(kept ?? [])]));
  const hasCircuit = reach[0]!.kept !== null;
  return (
    <Figure
      title="From which tokens, in which layer"
      how={`What each layer's heads carry from a token straight to the logit difference: blue speaks for the answer, orange against it${hasCircuit ? '. Beside it, what the kept directions alone carry of the same' : ''}. What later layers make of it is theirs.`}
      numbers={{
        columns: ['layer', 'token', 'full', 'kept only'],
        rows: reach.flatMap(({ layer, full, kept }) =>
          full.map((value, at) => [
            `L${layer}`,
            `${at} ${short(tokens[at] ?? '')}`,
            value,
            kept?.[at] ?? null,
          ]),
        ),
      }}
    >
      <div class="pair">
        <ReachMap title="full" tokens={tokens} rows={reach.map(({ full }) => full)} largest={largest} />
        {hasCircuit && (
          <ReachMap
            title="kept directions only"
            tokens={tokens}
            rows={reach.map(({ kept }) => kept!)}
            largest={largest}
          />
        )}
      </div>
    </Figure>
  );
}

function ReachMap({
  title,
  tokens,
  rows,
  largest,
}: {
  title: string;
  tokens: readonly string[];
  rows: readonly number[][];
  largest: number;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label={`Tokens and layers, ${title}`} tabIndex={0}>
      <p class="dim">{title}</p>
      <table class="pattern reach">
        <thead>
          <tr>
            <td />
            {rows.map((_, layer) => (
              <th scope="col" key={layer}>
                {layer % Math.ceil(rows.length / 16) === 0 ? layer : ''}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {tokens.map((token, at) => (
            <tr key={at}>
              <th scope="row">
                <bdi>{short(token)}</bdi>
              </th>
              {rows.map((row, layer) => (
                <td
                  key={layer}
                  class={row[at]! >= 0 ? 'tinted up' : 'tinted down'}
                  style={{ '--tint': `${Math.round((100 * Math.abs(row[at]!)) / largest)}%` }}
                  title={`L${layer}, ${short(token)}: ${signed(row[at]!)}`}
                />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
