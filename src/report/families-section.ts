/** The part of a run's page on families of its prompts. */
import type { Families } from '../evidence/families-file.js';
import { familiesColumns, familiesHead, familiesSentences, groupColumns } from './families-text.js';
import { html, type Markup } from './markup.js';
import { scrolling } from './scrolling.js';
import type { TextColumn } from './text-table.js';

export function familiesSection(families: Families): Markup {
  const groups = groupColumns(families);
  return html`<section aria-labelledby="families">
<h2 id="families">Families of prompts</h2>
<p>Prompts are clustered by what each direction adds to their answers (gradient × mask), and each family gets a circuit of its own. If the one circuit joins several mechanisms, a family's is smaller at no larger KL, and random parts of the same sizes do not do as well.</p>
${tableOf(familiesColumns(families), familiesHead(families))}
${familiesSentences(families).map(
  (line) => html`<p>${line}</p>
`,
)}${groups && tableOf(groups, 'Groups of the prompts, by family')}
</section>
`;
}

/** The columns of a table in plain text, as one on the page. */
function tableOf(columns: readonly TextColumn[], caption: string): Markup {
  const [names, ...figures] = columns;
  return scrolling(
    html`<caption>${caption}</caption>
<thead><tr>${columns.map(({ heading }) => html`<th scope="col">${heading}</th>`)}</tr></thead>
<tbody>
${names!.texts.map(
  (
    name,
    row,
  ) => html`<tr><th scope="row">${name}</th>${figures.map(({ texts }) => html`<td>${texts[row]}</td>`)}</tr>
`,
)}</tbody>`,
    caption,
  );
}
