/** Prompts that were taken apart: what comes next, what the logit difference is made of, where heads look. */

import type { CardSoFar, PromptCard } from '../../interpret/prompt-card.js';
import { decimal, percent } from '../../report/figures.js';
import { AttentionFigure } from './attention.js';
import { Figure } from './figure.js';
import { Missing } from './missing.js';
import { ReachFigure } from './reach-figure.js';
import { useExplorer } from './state.js';
import { SumFigure } from './sum-figure.js';
import { short, Token, visible } from './text.js';
import { useLoaded } from './use-loaded.js';

export function PromptsView() {
  const { data, link } = useExplorer();
  const { prompts, folder } = data.core;
  return (
    <>
      <h1>Prompts, taken apart</h1>
      {prompts.length === 0 ? (
        <Missing
          what="No prompt was taken apart"
          command={`orthoscope interpret ${folder} --traced 6 --out ${folder}/reading`}
        />
      ) : (
        <ul class="plainlist">
          {prompts.map(({ id, group, text }) => (
            <li key={id}>
              <a href={link({ view: 'prompt', of: id })}>
                <bdi>{short(text, 160)}</bdi>
              </a>{' '}
              <span class="dim">
                {short(id, 40)}
                {group ? `, ${short(group, 40)}` : ''}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

export function PromptView({ id }: { id: string }) {
  const { data, state, go } = useExplorer();
  const { beside } = state;
  const card = useLoaded(() => data.prompt(id), [id]);
  const other = useLoaded(async () => (beside ? data.prompt(beside) : null), [beside]);
  if (card === undefined) return <p class="dim">Reading …</p>;
  if (card === null) return <p class="notice">This page holds no prompt of that name.</p>;
  return (
    <>
      <h1>
        Prompt <bdi>{short(card.id, 60)}</bdi>
      </h1>
      <p class="choices">
        <label>
          Beside it{' '}
          <select value={beside} onChange={({ currentTarget }) => go({ beside: currentTarget.value })}>
            <option value="">no other prompt</option>
            {data.core.prompts
              .filter((prompt) => prompt.id !== id)
              .map((prompt) => (
                <option key={prompt.id} value={prompt.id}>
                  {short(prompt.text, 60)}
                </option>
              ))}
          </select>
        </label>
      </p>
      {other ? (
        <div class="beside">
          <section aria-label={`Prompt ${short(card.id, 60)}`}>
            <PromptFigures card={card} />
          </section>
          <section aria-label={`Prompt ${short(other.id, 60)}`}>
            <PromptFigures card={other} />
          </section>
        </div>
      ) : (
        <PromptFigures card={card} />
      )}
    </>
  );
}

/** @param card what is not known of it yet is left out */
export function PromptFigures({ card }: { card: PromptCard | CardSoFar }) {
  const { tokens, corrupted, answers, distractors, kl, full, circuit, attention, reach } = card;
  const totals =
    'totals' in card ? card.totals : full && { full: full.total, circuit: circuit?.total ?? null };
  return (
    <>
      <p class="prompt">
        <bdi>{visible(tokens.join(''))}</bdi>
      </p>
      {corrupted && (
        <p class="dim">
          What is left out reads: <bdi>{visible(corrupted.join(''))}</bdi>
        </p>
      )}
      {totals && (
        <p>
          {answers.map((each) => (
            <Token key={each}>{each}</Token>
          ))}{' '}
          against{' '}
          {distractors.map((each) => (
            <Token key={each}>{each}</Token>
          ))}
          : logit difference <strong>{decimal(totals.full)}</strong>
          {totals.circuit !== null && (
            <>
              , of the circuit <strong>{decimal(totals.circuit)}</strong>
            </>
          )}
          {kl !== null && (
            <>
              ; KL <strong>{decimal(kl)}</strong> nats
            </>
          )}
        </p>
      )}
      <div class="columns">
        <div>
          <NextTokens next_tokens={card.next_tokens} />
          {reach && <ReachFigure tokens={tokens} reach={reach} />}
        </div>
        {full !== undefined && <SumFigure full={full} circuit={circuit ?? null} by="components" />}
      </div>
      {full !== undefined && <SumFigure full={full} circuit={circuit ?? null} by="directions" />}
      {attention && <AttentionFigure tokens={tokens} attention={attention} full={full ?? null} />}
    </>
  );
}

function NextTokens({ next_tokens }: Pick<PromptCard, 'next_tokens'>) {
  const circuit = next_tokens.some((each) => each.circuit !== null);
  return (
    <Figure
      title="Next token"
      how="Probability of the likeliest tokens after the prompt: of the full model, and of the circuit alone. A faithful circuit has the same bars."
      numbers={{
        columns: ['token', 'full', 'circuit', 'id'],
        rows: next_tokens.map((each) => [visible(each.token), each.full, each.circuit, each.id]),
      }}
    >
      <table class="ends">
        <thead>
          <tr>
            <th scope="col">token</th>
            <th scope="col">full</th>
            {circuit && <th scope="col">circuit</th>}
          </tr>
        </thead>
        <tbody>
          {next_tokens.map(({ id, token, full, circuit: own }) => (
            <tr key={id}>
              <th scope="row">
                <Token>{token}</Token>
              </th>
              <Share value={full} kind="up" />
              {own !== null && <Share value={own} kind="down" />}
            </tr>
          ))}
        </tbody>
      </table>
    </Figure>
  );
}

function Share({ value, kind }: { value: number; kind: string }) {
  return (
    <td>
      <span class={`bar ${kind}`} style={{ width: `${56 * value}px` }} /> {percent(value)}
    </td>
  );
}
