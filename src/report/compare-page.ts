/** The page of a comparison: one table, and the curves of faithfulness and KL against size. */
import type { Comparison, Cut, Method } from '../evidence/compare-file.js';
import { methodName, ownCut } from '../evidence/methods.js';
import { htmlDocument } from './document.js';
import { count, decimal, duration, percent } from './figures.js';
import { html, type Markup } from './markup.js';
import { scrolling } from './scrolling.js';
import { SIZE_CURVES_TEXT, sizeFigures } from './size-curve-picture.js';

/** In one line what was compared, on what. */
export function comparedOn({ measured, directions, own_size }: Comparison): string {
  const { ranked_on, tested_on, replacement, positions } = measured;
  return `${tested_on.source}; ranked on ${count(ranked_on.pairs)} pairs, cuts measured on ${count(tested_on.pairs)}; positions ${positions}, replacement ${replacement}; ${count(own_size)} of ${count(directions)} directions learned`;
}

/** @returns a whole HTML document */
export function comparePage(comparison: Comparison): string {
  const { methods, near_zero, measured } = comparison;
  return htmlDocument(
    `Methods on ${measured.model.id}`,
    html`<p class="dim">${comparedOn(comparison)}</p>`,
    html`<section aria-labelledby="curves">
<h2 id="curves">Faithfulness against size</h2>
<p>Each method ranks the directions; a circuit of a size keeps the first of them, and all others are replaced. f is 0 with nothing kept and 1 for the model. The earlier a curve comes to 1 and stays there, the better.</p>
<p class="dim">${SIZE_CURVES_TEXT}</p>
${sizeFigures(comparison, 'f')}
${sizeFigures(comparison, 'kl')}
</section>
<section aria-labelledby="methods">
<h2 id="methods">Methods</h2>
${scrolling(
  html`<caption>Areas over the ten sizes, and figures at the size of the learned circuit</caption>
<thead><tr><th scope="col">method</th><th scope="col" colspan="2">CMD</th><th scope="col" colspan="2">CPR</th><th scope="col">kept</th><th scope="col" colspan="2">KL (nats)</th><th scope="col">exact match</th><th scope="col" colspan="2">f</th><th scope="col">seconds</th><th scope="col">prompts forward</th><th scope="col">and back</th></tr></thead>
<tbody>
${methods.map(row)}</tbody>`,
  'Methods',
)}
<p class="dim">CMD: area of |1 − f|, less is better. CPR: area of f, more is better; .999 is perfect, and more is possible. [low, high]: bootstrap interval over prompts. Signed: by score; absolute: by its size. By head: all directions of a head, or of an MLP, together; only whole ones that fit are kept.
${near_zero === null ? null : `f divides by something near 0 on ${percent(near_zero)} of the prompts, which is why it is a ratio of means.`}</p>
</section>
<section aria-labelledby="sizes">
<h2 id="sizes">By size</h2>
${(['f', 'kl', 'exact_match'] as const).map((figure) => bySize(methods, figure))}
</section>`,
  );
}

function row(method: Method): Markup {
  const own = ownCut(method);
  const area = (one: Method['cmd']) =>
    html`<td>${decimal(one?.value ?? null)}</td><td class="spread">${spread(one?.confidence ?? null)}</td>`;
  return html`<tr${method.id === 'learned' ? html` class="circuit"` : null}><th scope="row">${methodName(method)}</th>${area(method.cmd)}${area(method.cpr)}<td>${count(own.kept)}</td><td>${decimal(own.kl)}</td><td class="spread">${spread(own.confidence.kl)}</td><td>${percent(own.exact_match)}</td><td>${decimal(own.f)}</td><td class="spread">${spread(own.confidence.f)}</td><td>${duration(method.seconds)}</td><td>${count(method.forwards)}</td><td>${count(method.gradients)}</td></tr>
`;
}

const FIGURES = { f: 'f', kl: 'KL (nats)', exact_match: 'exact match' } as const;

function bySize(methods: readonly Method[], figure: keyof typeof FIGURES): Markup {
  const text = (cut: Cut) => {
    const value = cut[figure];
    return figure === 'exact_match' ? percent(value) : decimal(value);
  };
  const caption = `${FIGURES[figure]} by share of the directions kept`;
  return scrolling(
    html`<caption>${caption}</caption>
<thead><tr><th scope="col">method</th>${methods[0]!.cuts.map(({ size }) => html`<th scope="col">${size === null ? 'own size' : String(size)}</th>`)}</tr></thead>
<tbody>
${methods.map(
  (
    method,
  ) => html`<tr><th scope="row">${methodName(method)}</th>${method.cuts.map((cut) => html`<td>${text(cut)}</td>`)}</tr>
`,
)}</tbody>`,
    caption,
  );
}

function spread(interval: readonly [number, number] | null): string {
  return interval === null ? '' : `[${interval.map((end) => decimal(end)).join(', ')}]`;
}
