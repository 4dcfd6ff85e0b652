/** The page of a scoring folder: the strongest directions, how their values are spread, and where they are strongest. */
import { join } from 'node:path';
import { writeText } from '../formats/atomic-file.js';
import { openRun } from '../formats/run-folder.js';
import { htmlDocument } from '../report/document.js';
import { count, decimal, NONE } from '../report/figures.js';
import { html, Markup } from '../report/markup.js';
import { definitions, runSection } from '../report/run-section.js';
import { type RankedDataSet, rankDirections, readExamples } from './read-tables.js';
import { spreadPicture } from './spread-picture.js';
import type { DirectionRow, ExampleRow } from './tables.js';

/** Directions shown of each data set. */
const SHOWN = 24;

/** Strongest colour of a token, in percent: text on it stays readable. */
const STRONGEST = 55;

/**
 * Writes `report.html` into a folder that `score` filled.
 * @returns its path
 * @throws InputError if the folder holds no scores
 */
export async function writeScoresPage(folder: string): Promise<string> {
  const run = await openRun(folder);
  const ranked = await rankDirections(folder, null, SHOWN);
  const shown = new Set(
    ranked.flatMap(({ dataSet, rows }) => rows.map(({ direction }) => `${dataSet} ${direction}`)),
  );
  const examples = await readExamples(folder, (dataSet, direction) => shown.has(`${dataSet} ${direction}`));
  const title = `Directions of ${run.manifest.model.id}`;
  const header = html`<p class="dim">${ranked.map(({ dataSet }) => dataSet).join(', ')}</p>`;
  const main = html`${ranked.map((dataSet) => dataSetSection(dataSet, examples))}
${readingSection()}
${runSection(run.manifest)}`;
  const path = join(folder, 'report.html');
  await writeText(path, htmlDocument(title, header, main));
  return path;
}

const RANKED_BY: Record<RankedDataSet['by'], string> = {
  cohens_d: 'the difference between clean and corrupted prompts, in standard deviations',
  auroc: 'how well they tell clean from corrupted prompts',
  mean_difference: 'the difference between clean and corrupted prompts',
  mean: 'the size of their mean',
  variance: 'their variance',
};

function dataSetSection(
  { dataSet, by, positions, rows }: RankedDataSet,
  examples: readonly ExampleRow[],
): Markup {
  return html`<section aria-label="${dataSet}">
<h2>${dataSet}</h2>
<p>${count(positions)} scored positions. ${rows.length === 0 ? 'Too few to rank directions.' : `The ${rows.length} strongest directions by ${RANKED_BY[by]}.`}</p>
${rows.map((row) =>
  directionCard(
    row,
    examples.filter((example) => example.data_set === dataSet && example.direction === row.direction),
  ),
)}
</section>
`;
}

function directionCard(row: DirectionRow, examples: readonly ExampleRow[]): Markup {
  const facts: [string, string][] = [
    ['σ', significant(row.sigma)],
    ...(row.mask === null ? [] : [['mask', decimal(row.mask)] as [string, string]]),
    [
      'mean',
      `${significant(row.mean)}${row.mean_corrupted === null ? '' : ` (corrupted ${significant(row.mean_corrupted)})`}`,
    ],
    ...(row.auroc === null
      ? []
      : ([
          ['Cohen’s d', decimal(row.cohens_d, 2)],
          ['AUROC', `${decimal(row.auroc, 3)} ± ${decimal(row.auroc_error, 3)}`],
        ] as [string, string][])),
    ...(row.key_share === null
      ? []
      : ([
          ['share of the logit', decimal(row.key_share, 2)],
          ['tokens back to its key', decimal(row.key_distance, 1)],
        ] as [string, string][])),
  ];
  const strongest = Math.max(Math.abs(row.min ?? 0), Math.abs(row.max ?? 0));
  return html`<article aria-label="${row.direction}">
<h3><code>${row.direction}</code></h3>
${row.clustered ? html`<p class="notice">Its singular value is shared with others: only their span has a meaning.</p>` : null}
<div class="panels"><div>${definitions(facts)}</div>${spreadPicture(row)}</div>
${(['top', 'bottom'] as const).map((end) => exampleList(end, examples, strongest))}
</article>
`;
}

function exampleList(
  end: 'top' | 'bottom',
  examples: readonly ExampleRow[],
  strongest: number,
): Markup | null {
  const own = examples.filter((example) => example.end === end);
  if (own.length === 0) return null;
  return html`<h4>${end === 'top' ? 'Largest' : 'Smallest'}</h4>
<ol class="examples">
${own.map(
  (example) =>
    html`<li><span class="value">${significant(example.value)}</span> ${exampleText(example, strongest)}<span class="dim"> line ${example.line}</span></li>
`,
)}</ol>
`;
}

/** Tokens coloured by their own values; those that were not scored are plain. */
function exampleText(
  { context, context_values, position, key_position }: ExampleRow,
  strongest: number,
): Markup {
  const first = position - context.length + 1;
  const tokens = context.map((token, i) => {
    const value = context_values[i]!;
    const at = first + i;
    const key = key_position === at ? ' key' : '';
    const title = value === null ? `position ${at}` : `position ${at}: ${significant(value)}`;
    return html`<span class="token${key}" title="${title}"${colour(value, strongest)}>${shownToken(token)}</span>`;
  });
  return html`<span class="text">${first > 0 ? '…' : null}${tokens}</span>`;
}

function colour(value: number | null, strongest: number): Markup | null {
  if (value === null || strongest === 0) return null;
  const share = ((STRONGEST * Math.abs(value)) / strongest).toFixed(0);
  const side = value > 0 ? 'accent' : 'warm';
  return new Markup(` style="background:color-mix(in srgb, var(--${side}) ${share}%, transparent)"`);
}

/** Line breaks would break the line. */
function shownToken(token: string): string {
  return token.replaceAll('\n', '⏎').replaceAll('\t', '⇥');
}

/** Three digits that count. */
function significant(value: number | null): string {
  if (value === null) return NONE;
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e4) ? value.toExponential(2) : value.toPrecision(3);
  return text.replaceAll('-', '−');
}

function readingSection(): Markup {
  return html`<section aria-labelledby="reading">
<h2 id="reading">How to read it</h2>
${definitions([
  [
    'value',
    'the direction’s coefficient, σ times its input along u; for QK its score on the strongest key, after the attention scale',
  ],
  [
    'spread',
    'from the 1st to the 99th percentile; the box holds the middle half, the line in it is the median',
  ],
  [
    'colours',
    'blue for positive values, orange for negative ones, the stronger the larger; tokens without colour were not scored',
  ],
  ['underlined', 'the strongest key of a QK direction'],
  ['Cohen’s d', 'difference of means over the pooled standard deviation'],
  ['AUROC', 'probability that a clean value exceeds a corrupted one; ± bounds its error'],
])}
</section>`;
}
