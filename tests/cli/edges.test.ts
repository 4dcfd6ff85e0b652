/** `orthoscope edges` on the embedded model: what is foreseen against cuts, and the files that other programs read. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { EdgesEstimate, EdgesSummary } from '../../src/commands/edges.js';
import { readParquetRows } from '../../src/formats/parquet-file.js';
import { orthoscope } from '../support/command.js';
import { graphSchema } from '../support/graph-schema.js';
import { python } from '../support/python.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const folder = temporaryFolder();
const cache = join(folder, 'cache');

/** Of the embedded model's IOI circuit: heads that find the name that comes twice, and those that move the other. */
const IOI = 'L0H3.ov.0-9,L1H2.qk.0-3,L1H2.ov.0-9,L2H2.qk.0-3,L2H2.ov.0-9,L2H3.qk.0-3,L2H3.ov.0-9';

async function edges(args: string[]) {
  return orthoscope(['edges', 'embedded', '--engine', 'wasm', ...args], { cache });
}

it('foresees what cutting single edges does, over 200 of them', async () => {
  const out = join(folder, 'ioi');
  const { code, stdout, stderr } = await edges([
    ...['--task', 'ioi', '--test-pairs', '16', '--directions', IOI, '--out', out, '--json'],
  ]);
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout) as EdgesSummary & { table: string };
  const { all, strongest, random } = summary.agreement!;
  expect([all.edges, strongest.edges, random.edges]).toEqual([200, 100, 100]);
  expect(all.correlation).toBeGreaterThan(0.8);
  expect(all.interval![0]).toBeGreaterThan(0.7);
  expect(strongest.correlation).toBeGreaterThan(0.85);
  expect(random.correlation).toBeGreaterThan(0.4);

  const rows: Record<string, unknown>[] = [];
  for await (const row of readParquetRows(summary.table)) rows.push(row);
  expect(rows).toHaveLength(summary.edges);
  expect(rows.filter(({ measured }) => measured !== null)).toHaveLength(200);
  // What reaches the logits is the logit difference.
  const before = rows.filter(({ reader }) => reader === 'logits');
  const total = before.reduce((sum, { value }) => sum + (value as number), 0);
  expect(total).toBeGreaterThan(1);
  for (const { value, predicted } of before) expect(predicted).toBe(value);

  const graph = JSON.parse(readFileSync(join(out, 'graph.json'), 'utf8'));
  expect(graph.edges.length).toBe(Math.min(1000, summary.edges));
  const ids = new Set(graph.nodes.map(({ id }: { id: string }) => id));
  for (const { source, target } of graph.edges)
    expect([ids.has(source), ids.has(target)]).toEqual([true, true]);
});

const networkx = python('networkx');
it.skipIf(networkx === null)('writes graphs that NetworkX opens, both the same', () => {
  const script = `
import json, sys, networkx as nx
a = nx.read_graphml(sys.argv[1] + '/graph.graphml')
b = nx.node_link_graph(json.load(open(sys.argv[1] + '/graph.json')), edges='edges')
total = lambda g: sum(d['predicted'] for _, _, d in g.edges(data=True))
print(json.dumps([[g.number_of_nodes(), g.number_of_edges(), g.is_multigraph(), g.is_directed(), total(g)] for g in (a, b)]))
`;
  const [a, b] = JSON.parse(
    execFileSync(networkx!, ['-c', script, join(folder, 'ioi')], { encoding: 'utf8' }),
  );
  expect(a.slice(0, 4)).toEqual(b.slice(0, 4));
  expect(a[4]).toBeCloseTo(b[4], 9);
});

it('writes an attribution graph of one prompt', async () => {
  const out = join(folder, 'one');
  const { code, stderr } = await edges([
    ...['--prompt', "So Sarah is such a great friend, isn't", '--answer', ' she', '--distractor', ' he'],
    ...['--directions', 'L0H0.ov.0,L2H1.ov.0-2,L2H1.qk.0', '--cuts', '0', '--out', out, '--quiet'],
  ]);
  expect(code, stderr).toBe(0);
  const graph = graphSchema.parse(JSON.parse(readFileSync(join(out, 'attribution-graph.json'), 'utf8')));
  const she = graph.nodes.find(({ clerp }) => clerp.startsWith('Output " she"'))!;
  const into = graph.links.filter(({ target }) => target === she.node_id);
  const named = new Map(graph.nodes.map(({ node_id, clerp }) => [node_id, clerp]));
  // The direction that says who it is goes into the pronoun.
  expect(into.map(({ source }) => named.get(source))).toContain('L0H0.ov.0');
});

it('says what it would do, and refuses more edges than memory holds', async () => {
  const dry = await edges(['--task', 'ioi', '--directions', 'all', '--dry-run', '--json']);
  expect(dry.code, dry.stderr).toBe(0);
  const estimate = JSON.parse(dry.stdout) as EdgesEstimate;
  expect(estimate).toMatchObject({ directions: 780, prompts: 1000, cuts: 200 });
  const refused = await edges(['--task', 'ioi', '--directions', 'all', '--memory', '1MB', '--quiet']);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain(`${estimate.edges.toLocaleString('en')} edges`);
});
