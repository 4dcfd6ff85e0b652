/** Prompts that were taken apart: what comes next, what the logit difference is made of, where heads look. */

import type { PromptCard } from '../../interpret/prompt-card.js';
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

export function PromptFigures({ card }: { card: PromptCard }) {
  const { tokens, corrupted, answers, distractors, kl, full, circuit } = card;
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
      {full && (
        <p>
          {answers.map((each) => (
            <Token key={each}>{each}</Token>
          ))}{' '}
          against{' '}
          {distractors.map((each) => (
            <Token key={each}>{each}</Token>
          ))}
          : logit difference <strong>{decimal(full.total)}</strong>
          {circuit && (
            <>
              , of the circuit <strong>{decimal(circuit.total)}</strong>
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
          <NextTokens card={card} />
          <ReachFigure card={card} />
        </div>
        <SumFigure card={card} by="components" />
      </div>
      <SumFigure card={card} by="directions" />
      <AttentionFigure card={card} />
    </>
  );
}

function NextTokens({ card: { next_tokens, circuit } }: { card: PromptCard }) {
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
