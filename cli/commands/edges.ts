/** `orthoscope edges`: which direction writes what another reads. */
import { type EdgesSummary, estimateEdges, edges as findEdges } from '../../src/commands/edges.js';
import type { Agreement } from '../../src/edges/agreement.js';
import type { EdgeRow } from '../../src/edges/edge-files.js';
import { formatByteSize } from '../../src/formats/byte-size.js';
import type { Mean } from '../../src/interpret/mean-of.js';
import { count, decimal, percent } from '../../src/report/figures.js';
import { textTable } from '../../src/report/text-table.js';
import type { Handler } from '../context.js';
import { figures, names, signed } from '../text.js';

export const edges: Handler<'edges'> = async (settings, context) => {
  if (context.dryRun) {
    const estimate = await estimateEdges(settings, context);
    const { directions, edges, prompts, cuts, memory_bytes } = estimate;
    context.result(
      estimate,
      `${count(edges)} edges of ${count(directions)} directions on ${count(prompts)} prompts, ${count(cuts)} of them cut\nmemory  ${formatByteSize(memory_bytes)} for edges, beside the model`,
    );
    return;
  }
  const { run, summary, files } = await findEdges(settings, context);
  const paths = Object.entries(files).map(([name, path]) => `${name.padEnd(8)} ${path}`);
  context.result({ run: run.path, ...files, ...summary }, `${edgesText(summary)}\n\n${paths.join('\n')}`);
};

/** What the command prints. */
export function edgesText({ data, prompts, directions, edges, agreement, top }: EdgesSummary): string {
  const parts = [
    `${data}, ${count(prompts)} prompt${prompts === 1 ? '' : 's'}: ${count(edges)} edges of ${count(directions)} directions, the strongest`,
    edgeTable(top),
  ];
  if (agreement) {
    const { all, strongest, random } = agreement;
    parts.push(
      `cut in place on ${count(agreement.prompts)} prompts, foreseen and measured agree in rank: ${correlation(all)}\n` +
        `the strongest ${correlation(strongest)}; drawn from the others ${correlation(random)}`,
    );
  }
  return parts.join('\n\n');
}

function correlation({ edges, correlation, interval, same_sign }: Agreement): string {
  const range = interval ? ` [${interval.map((end) => decimal(end, 3)).join(', ')}]` : '';
  return `${decimal(correlation, 3)}${range} over ${count(edges)} edges, ${percent(same_sign)} of the same sign`;
}

function edgeTable(rows: readonly EdgeRow[]): string {
  const means = (heading: string, of: (row: EdgeRow) => Mean | null) =>
    figures(
      heading,
      rows.map((row) => (of(row) ? signed(of(row)!.mean, 3) : '')),
      rows.map((row) => range(of(row))),
    );
  return textTable([
    names(
      'writes',
      rows.map(({ writer }) => writer),
    ),
    names(
      'reads',
      rows.map(({ reader, side }) => (side === 'query' || side === 'key' ? `${reader} ${side}` : reader)),
    ),
    means('value', ({ value }) => value),
    means('foreseen', ({ predicted }) => predicted),
    means('cut', ({ measured }) => measured),
  ]);
}

function range(mean: Mean | null): string {
  return mean === null || mean.low === null ? '' : `[${decimal(mean.low, 3)}, ${decimal(mean.high, 3)}]`;
}
