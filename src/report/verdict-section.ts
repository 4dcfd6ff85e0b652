/** The part of a run's page that says what may be claimed of its circuit. */
import type { Loss, OutsideGroup } from '../evidence/outside-heads.js';
import type { Line, Verdict } from '../evidence/verdict-file.js';
import { decimal } from './figures.js';
import { html, type Markup } from './markup.js';
import { scrolling } from './scrolling.js';
import { verdictHead, verdictRow } from './verdict-text.js';

export function verdictSection(verdict: Verdict): Markup {
  const { alpha } = verdict.measured;
  return html`<section aria-labelledby="verdict">
<h2 id="verdict">What may be claimed</h2>
<p>Each line is one question. Where a hypothesis is tested, p is the probability of a statistic as extreme if the hypothesis were true; at most ${alpha} rejects it. Corrected (Holm): with the other tests of the same claim.</p>
${scrolling(
  html`<caption>${verdictHead(verdict)}</caption>
<thead><tr><th scope="col">the circuit</th><th scope="col">evidence</th><th scope="col">statistic</th><th scope="col">p</th><th scope="col">corrected</th></tr></thead>
<tbody>
${verdict.lines.map(tableRow)}</tbody>`,
  'What may be claimed, line by line',
)}
<dl>
${verdict.lines
  .filter(({ outcome }) => outcome !== 'missing')
  .map(
    (line) => html`<dt>${line.title}</dt>
<dd>${line.claim} <span class="dim">${line.limit} ${nullText(line)}Numbers: <code>${line.file}</code>.</span></dd>
`,
  )}</dl>
${outsideTables(verdict)}</section>
`;
}

function tableRow(line: Line): Markup {
  const { title, outcome, statistic, p, corrected } = verdictRow(line);
  const name = line.statistic === null ? '' : line.statistic.name;
  return html`<tr><th scope="row">${title}</th><td>${outcome}</td><td title="${name}">${statistic}</td><td>${p}</td><td>${corrected}</td></tr>
`;
}

function nullText({ null_hypothesis, statistic }: Line): string {
  const counted = statistic === null ? '' : `Statistic: ${statistic.name}. `;
  return null_hypothesis === null ? counted : `Tested: “${null_hypothesis}” ${counted}`;
}

/** What heads outside the named groups cost, alone and on top. */
function outsideTables({ lines }: Verdict): Markup | null {
  const outside = (lines.find(({ id }) => id === 'head_groups')?.numbers.outside ?? []) as OutsideGroup[];
  const rows = outside.flatMap(({ group, loss, heads }) => [
    html`<tr><th scope="row">${group}, the whole group</th>${[loss, null, null].map(lossCell)}</tr>
`,
    ...heads.map(
      ({
        head,
        alone,
        on_top,
        more,
      }) => html`<tr><th scope="row">${head} beside ${group}</th>${[alone, on_top, more].map(lossCell)}</tr>
`,
    ),
  ]);
  if (rows.length === 0) return null;
  const caption =
    'Heads outside named groups: what the answer loses when they write what they write for another prompt';
  return scrolling(
    html`<caption>${caption}</caption>
<thead><tr><th scope="col">ablated</th><th scope="col" colspan="2">alone</th><th scope="col" colspan="2">on top of the group</th><th scope="col" colspan="2">more on top</th></tr></thead>
<tbody>
${rows}</tbody>`,
    caption,
  );
}

function lossCell(loss: Loss | null): Markup {
  if (loss === null) return html`<td></td><td class="spread"></td>`;
  return html`<td>${decimal(loss.value)}</td><td class="spread">[${loss.confidence.map((end) => decimal(end)).join(', ')}]</td>`;
}
