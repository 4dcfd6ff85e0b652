/** The report page of a run: one HTML file that asks for nothing else, from what the run's folder holds. */
import type { AttackMetrics } from '../evaluate/attack-figures.js';
import { COLUMNS, type ColumnMetric } from '../evaluate/metrics.js';
import type { Metrics, Settling, SplitMetrics } from '../evaluate/metrics-file.js';
import type { Families } from '../evidence/families-file.js';
import type { Verdict } from '../evidence/verdict-file.js';
import type { Manifest } from '../formats/manifest.js';
import type { HistoryLine } from '../formats/run-folder.js';
import { attackedHow, attackText, missedRows } from './attack-text.js';
import { type CircuitPart, circuitParts, indexRanges } from './circuit.js';
import { circuitPicture } from './circuit-picture.js';
import { coverageText } from './coverage.js';
import { htmlDocument, type PageProgram } from './document.js';
import { familiesSection } from './families-section.js';
import { count, decimal, percent } from './figures.js';
import { html, type Markup } from './markup.js';
import { differences, measuredOn, measuredWith } from './measured.js';
import { isBinary, type MasksRow, masksRows } from './result-rows.js';
import { definitions, runSection } from './run-section.js';
import { scrolling } from './scrolling.js';
import { settlingText, unsettledText } from './settling-text.js';
import { notes } from './table.js';
import { trainingCurves } from './training-curves.js';
import { verdictSection } from './verdict-section.js';

export interface ReportedRun {
  manifest: Manifest;
  metrics: Metrics;
  /** Empty where nothing was trained. */
  history: readonly HistoryLine[];
  /** By component name, one value in [0, 1] a direction. */
  masks: ReadonlyMap<string, Float32Array>;
  /** Null where none was given. */
  verdict?: Verdict | null;
  /** Null where none were looked for. */
  families?: Families | null;
}

/** Components in the table; the others are listed below it, folded up. */
const LARGEST = 20;

/**
 * @param program that shows the same in its own way
 * @returns a whole HTML document
 */
export function reportPage(
  { manifest, metrics, history, masks, verdict = null, families = null }: ReportedRun,
  program?: PageProgram,
): string {
  const { splits } = metrics;
  const { threshold } = metrics.measured;
  const parts = circuitParts(masks, threshold);
  const [name, headline] =
    Object.entries(splits).find(([split]) => split === 'test') ?? Object.entries(splits)[0]!;
  const title = `Circuit of ${manifest.model.id}`;
  return htmlDocument(
    title,
    html`<p class="dim">${headline.source}</p>
${notices(manifest, metrics)}`,
    html`${summary(name, metrics)}
${resultSection(metrics)}
${attackSection(headline)}
${verdict && verdictSection(verdict)}
${families && familiesSection(families)}
${circuitSection(parts, threshold)}
${trainingSection(history, metrics.settling)}
${componentSection(parts)}
${readingSection(headline, threshold)}
${runSection(manifest)}
<section aria-labelledby="metrics">
<h2 id="metrics">All figures</h2>
<details>
<summary>metrics.json</summary>
<pre><code>${JSON.stringify(metrics, null, 2)}</code></pre>
</details>
</section>`,
    program,
  );
}

/** What a reader must know before any figure. A run that is writing its report still says `running`. */
function notices(manifest: Manifest, metrics: Metrics): Markup[] {
  const { status, error } = manifest;
  const texts: string[] = [];
  if (status !== 'running' && status !== 'complete')
    texts.push(`This run is marked as ${status}${error === undefined ? '' : `: ${error}`}.`);
  const others = differences(metrics, manifest);
  if (others.length > 0)
    texts.push(`The figures were not measured as the run was made: ${others.join('; ')}.`);
  const early = unsettledText(metrics.settling);
  if (early !== null)
    texts.push(
      `When training ended, ${early}. More steps would give another circuit: read this one as a state on the way.`,
    );
  return texts.map((text) => html`<p class="notice">${text}</p>`);
}

function summary(split: string, metrics: Metrics): Markup {
  const { n, binarised, controls, attack } = metrics.splits[split]!;
  const { active, directions, relative_sparsity, full_sparsity } = binarised;
  const coverage = coverageText(metrics);
  const circuit = masksRows(metrics.splits[split]!, metrics.measured.threshold).find(
    ({ isCircuit }) => isCircuit,
  )!;
  const figure = (key: 'kl' | 'exact_match' | 'faithfulness') => {
    const { value, spread } = circuit.figures[key];
    return html`<strong>${value}</strong>${spread && ` ${spread}`}`;
  };
  return html`<p>${metrics.settling?.unsettled ? 'So far the circuit keeps' : 'The circuit keeps'} <strong>${count(active)} of ${count(directions)}</strong> singular directions${coverage && ` (${coverage})`}, a sparsity of ${percent(relative_sparsity)}
(${percent(full_sparsity)} as the paper also counts, each head with as many directions as its matrices are wide).
On ${count(n)} ${split} prompts its next-token distribution lies ${figure('kl')} nats (KL) from the full model’s, and its likeliest token is the full model’s on ${figure('exact_match')} of them.
${binarised.faithfulness === null ? null : html`Of the way from the logit difference with nothing kept to that of the full model it comes ${figure('faithfulness')} (faithfulness).`}
${controls && html`As many directions drawn at random have KL ${decimal(controls.random.kl)}${controls.random.n === undefined ? null : html` on ${count(controls.random.n)} of these prompts`}.`}</p>
${attack && html`<p><strong>${attackText(metrics.splits[split]!)}.</strong></p>`}`;
}

function resultSection(metrics: Metrics): Markup {
  return html`<section aria-labelledby="results">
<h2 id="results">Results</h2>
${Object.entries(metrics.splits).map(([name, split]) => resultTable(name, split, metrics))}</section>
`;
}

/** Left-out directions, and components, that the page names. */
const NAMED = 20;
const COMPONENTS = 10;

/** Whether the circuit holds when what it left out comes back, and what it missed. */
function attackSection(split: SplitMetrics): Markup | null {
  const { attack } = split;
  if (!attack) return null;
  const kls: [string, number | null][] = [
    ['as it is: what is left out replaced', attack.plain_kl],
    ...(attack.random
      ? ([
          ['put back by shares drawn from [0, 1], mean', attack.random.uniform.mean],
          ['put back whole or not at all, at random, mean', attack.random.bernoulli.mean],
        ] as [string, number][])
      : []),
    ...attack.by_cap.map(({ cap, kl }): [string, number] => [`adversary, no share above ${cap}`, kl]),
    ...attack.by_number.map(({ most, kl }): [string, number] => [
      `adversary, at most ${count(most)} directions`,
      kl,
    ]),
    ...attack.along
      .slice(1, -1)
      .map(({ part, kl }): [string, number] => [`${percent(part)} of the way to the adversary’s shares`, kl]),
    ...attack.by_steps.map(({ steps, kl }): [string, number] => [
      `adversary, ${count(steps)} ${steps === 1 ? 'step' : 'steps'}`,
      kl,
    ]),
    ...(attack.per_prompt
      ? ([
          [
            `adversary on each prompt by itself, mean of ${count(attack.per_prompt.prompts)}`,
            attack.per_prompt.mean,
          ],
        ] as [string, number][])
      : []),
    ['a random set of the same size, as it is', attack.control.plain_kl],
    ['a random set of the same size, adversary', attack.control.kl],
  ];
  return html`<section aria-labelledby="attack">
<h2 id="attack">Does it hold?</h2>
<p>A circuit says that the rest does not matter. An adversary puts the rest back, each direction by a share between 0 and 1 that is the same for all prompts, and looks for the shares with the largest KL: ${attackedHow(attack)} (what it sees: ${attack.seen.source}).</p>
${scrolling(
  html`<caption>KL when what is left out comes back</caption>
<thead><tr><th scope="col">what is left out</th><th scope="col">KL (nats)</th></tr></thead>
<tbody>
${kls.map(
  ([name, kl]) => html`<tr><th scope="row">${name}</th><td>${decimal(kl)}</td></tr>
`,
)}</tbody>`,
  'KL when what is left out comes back',
)}
${missedTable(attack)}
</section>
`;
}

function byComponent({ missed_by_component: all }: AttackMetrics): Markup {
  const named = all
    .slice(0, COMPONENTS)
    .map(({ component, part }, at) => html`${at > 0 ? ', ' : ''}<code>${component}</code> ${decimal(part)}`);
  const others = all.length - named.length;
  return html`${named}${others > 0 ? `, and ${count(others)} more` : ''}`;
}

function missedTable(attack: AttackMetrics): Markup | null {
  const rows = missedRows(attack, NAMED);
  if (rows.length === 0) return null;
  return html`<h3>Left out, but not inert</h3>
<p>Of ${count(attack.put_back)} directions that the adversary puts back, those with the largest parts in what it does. Part: the integral of the direction’s slope along the way from the circuit to the adversary’s shares, on the pairs that it sees, estimated at three points of the way; all parts add up to about the KL that it adds there. The last column says how much KL goes away when that share alone is put to 0.</p>
${scrolling(
  html`<caption>Left-out directions by their part</caption>
<thead><tr><th scope="col">direction</th><th scope="col">share put back</th><th scope="col">part (nats)</th><th scope="col">KL falls without it by</th></tr></thead>
<tbody>
${rows.map(
  ({ name, share, part, returns }) =>
    html`<tr><th scope="row"><code>${name}</code></th><td>${share}</td><td>${part}</td><td>${returns}</td></tr>
`,
)}</tbody>`,
  'Left-out directions by their part',
)}
<p>Sums of parts by component: ${byComponent(attack)}.</p>`;
}

function resultTable(name: string, split: SplitMetrics, metrics: Metrics): Markup {
  const headings = COLUMNS.map(
    (metric) => html`<th scope="col"${hasSpread(metric) ? html` colspan="2"` : null}>${metric.title}</th>`,
  );
  return html`${scrolling(
    html`<caption>${measuredOn(name, split, metrics)}</caption>
<thead><tr><th scope="col">masks</th>${headings}</tr></thead>
<tbody>
${masksRows(split, metrics.measured.threshold).map(masksRow)}</tbody>`,
    `Results, ${name}`,
  )}
${[...notes(split), measuredWith(split, metrics)].map(
  (note) => html`<p class="dim">${note}.</p>
`,
)}`;
}

/** Measured figures have a spread, in a column of its own so that both line up. */
function hasSpread({ of }: ColumnMetric): boolean {
  return of !== 'masks';
}

function masksRow({ name, isCircuit, figures }: MasksRow): Markup {
  return html`<tr${isCircuit ? html` class="circuit"` : null}><th scope="row">${name}</th>${COLUMNS.map(
    (metric) =>
      html`<td>${figures[metric.key].value}</td>${
        hasSpread(metric) ? html`<td class="spread">${figures[metric.key].spread}</td>` : null
      }`,
  )}</tr>
`;
}

function circuitSection(parts: CircuitPart[], threshold: number): Markup {
  return html`<section aria-labelledby="circuit">
<h2 id="circuit">The circuit</h2>
<p>Directions whose mask is above ${threshold}, by layer and head (number kept; stronger colour: a larger share of the head’s directions) and by MLP matrix (bar: share kept).</p>
${circuitPicture(parts)}
</section>
`;
}

function trainingSection(history: ReportedRun['history'], settling: Settling | null): Markup {
  const curves = trainingCurves(history);
  return html`<section aria-labelledby="training">
<h2 id="training">Training</h2>
${
  curves
    ? html`<p><span class="legend"><span class="key line"></span>training batch, before the step’s update</span> <span class="legend"><span class="key dot"></span>all validation pairs</span></p>
${curves}
${settling && html`<p>${settlingText(settling)}</p>`}`
    : html`<p>The folder holds no record of training.</p>`
}
</section>
`;
}

function componentSection(parts: CircuitPart[]): Markup {
  const kept = parts.filter(({ active }) => active.length > 0);
  kept.sort((a, b) => b.active.length - a.active.length);
  const rest = kept.slice(LARGEST);
  return html`<section aria-labelledby="components">
<h2 id="components">Directions by component</h2>
<p>${count(kept.length)} of ${count(parts.length)} components keep any direction. Indices count from 0 by descending singular value; a–b stands for all from a to b.</p>
${componentTable(kept.slice(0, LARGEST), 'Components with the most directions')}
${
  rest.length === 0
    ? null
    : html`<details>
<summary>${count(rest.length)} more</summary>
${componentTable(rest, 'All other components with directions in the circuit')}
</details>`
}
</section>
`;
}

function componentTable(parts: CircuitPart[], caption: string): Markup {
  const rows = parts.map(
    ({ name, active, directions }) =>
      html`<tr><th scope="row"><code>${name}</code></th><td>${count(active.length)}</td><td>${count(directions)}</td><td class="indices">${indexRanges(active)}</td></tr>
`,
  );
  return scrolling(
    html`<caption>${caption}</caption>
<thead><tr><th scope="col">component</th><th scope="col">kept</th><th scope="col">of</th><th scope="col" class="indices">directions</th></tr></thead>
<tbody>
${rows}</tbody>`,
    caption,
  );
}

function readingSection(split: SplitMetrics, threshold: number): Markup {
  const terms = masksRows(split, threshold).map(({ name, meaning }): [string, string] => [name, meaning]);
  if (isBinary(split) && !split.before_rounding)
    terms.push(['soft masks', 'not shown: every mask is 0 or 1 already']);
  return html`<section aria-labelledby="reading">
<h2 id="reading">How to read it</h2>
<p>Each weight matrix of the model (query–key and output–value of every head, the matrices of every MLP) is written as a sum of singular directions.
A mask between 0 and 1 on each direction is trained so that few directions give the full model’s next-token distribution. Those kept are the circuit.
It has been found if its KL is small while circuits of the same size, chosen otherwise, have a large one.</p>
${definitions([...terms, ...COLUMNS.map(columnMeaning)])}
</section>
`;
}

const BETTER: Record<NonNullable<ColumnMetric['better']>, string> = {
  lower: 'lower is better',
  higher: 'higher is better',
  'full model': 'the nearer to the full model’s, the better',
};

function columnMeaning({ title, meaning, better }: ColumnMetric): [string, string] {
  return [title, `${meaning}; ${BETTER[better]}`];
}
