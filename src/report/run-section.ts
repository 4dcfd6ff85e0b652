/** The part of the page that says what was run, on what and with what, and how to run it again. */
import type { Manifest } from '../formats/manifest.js';
import { count, duration, NONE } from './figures.js';
import { html, type Markup } from './markup.js';
import { shortHash } from './measured.js';
import { repeatCommand } from './repeat-command.js';

export function runSection(manifest: Manifest): Markup {
  const { model, data, host, versions, seconds, seeds } = manifest;
  const total = Object.values(seconds).reduce((sum, stage) => sum + stage, 0);
  const facts: [term: string, description: string][] = [
    ['Model', model.revision === null ? model.id : `${model.id}, revision ${model.revision}`],
    ['Weights', `SHA-256 ${shortHash(model.hash)}, in the form “${manifest.weight_form}”`],
    ...Object.entries(data).map(([split, { source, pairs, hash }]): [string, string] => [
      `Pairs, ${split}`,
      `${count(pairs)} from ${source}, SHA-256 ${shortHash(hash)}`,
    ]),
    ...(manifest.notes ?? []).map((note): [string, string] => ['Note', note]),
    ['Seeds', listed(seeds, (seed) => String(seed))],
    ['Engine', manifest.engine || NONE],
    ['Versions', listed(versions, String)],
    [
      'Machine',
      `${host.cpu}, ${host.cores} cores, ${memory(host.memory_bytes)} GiB, ${host.os} ${host.arch}`,
    ],
    ['Started', `${manifest.started_at.slice(0, 16).replace('T', ' ')} UTC`],
    ['Time', `${duration(total)} (${listed(seconds, duration)})`],
  ];
  return html`<section aria-labelledby="run">
<h2 id="run">What was run</h2>
${definitions(facts)}
<details>
<summary>All settings</summary>
${definitions(leaves(manifest.settings))}
</details>
<p>To run it again, from the same folder:</p>
<pre class="wrap"><code>${repeatCommand(manifest)}</code></pre>
</section>
`;
}

/** A list of terms and what they are. */
export function definitions(entries: readonly [term: string, description: string][]): Markup {
  return html`<dl>
${entries.map(
  ([term, description]) => html`<dt>${term}</dt><dd>${description}</dd>
`,
)}</dl>`;
}

function listed<T>(entries: Record<string, T>, text: (value: T) => string): string {
  return (
    Object.entries(entries)
      .map(([name, value]) => `${name} ${text(value)}`)
      .join(', ') || NONE
  );
}

function memory(bytes: number): string {
  return count(bytes / 2 ** 30);
}

/** Settings as `data.task: ioi`, however deep they lie. */
function leaves(settings: Record<string, unknown>, prefix = ''): [string, string][] {
  return Object.entries(settings).flatMap(([key, value]): [string, string][] => {
    if (value === null) return [[prefix + key, NONE]];
    if (Array.isArray(value)) return [[prefix + key, value.join(', ')]];
    if (typeof value === 'object') return leaves(value as Record<string, unknown>, `${prefix}${key}.`);
    return [[prefix + key, String(value)]];
  });
}
