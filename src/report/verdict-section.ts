/** The part of a run's page that says what may be claimed of its circuit. */
import type { Line, Verdict } from '../evidence/verdict-file.js';
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
</section>
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
