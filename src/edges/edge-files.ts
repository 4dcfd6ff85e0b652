/** Edges as files: a Parquet table of all, and the strongest as a graph in JSON and GraphML. */
import { writeJson, writeText } from '../formats/atomic-file.js';
import { type ParquetColumn, writeParquet } from '../formats/parquet-file.js';
import type { Mean } from '../interpret/mean-of.js';
import type { Sample } from './agreement.js';
import type { Side } from './readers.js';

/** One edge, as it is reported. */
export interface EdgeRow {
  writer: string;
  reader: string;
  side: Side;
  value: Mean;
  predicted: Mean;
  /** Logit difference before − after it was cut; null where it was not. */
  measured: Mean | null;
  sample: Sample | null;
}

const COLUMNS: readonly ParquetColumn[] = [
  { name: 'writer', type: 'STRING' },
  { name: 'reader', type: 'STRING' },
  { name: 'side', type: 'STRING' },
  ...(['value', 'predicted', 'measured'] as const).flatMap((name): ParquetColumn[] => {
    const nullable = true;
    const unit = name === 'value' ? "the reader's coefficient, or score" : 'logit difference';
    return [
      { name, type: 'DOUBLE', nullable: name === 'measured', unit },
      { name: `${name}_low`, type: 'DOUBLE', nullable },
      { name: `${name}_high`, type: 'DOUBLE', nullable },
    ];
  }),
  { name: 'sample', type: 'STRING', nullable: true },
];

/** Rows of one group, so that a table of millions is never there twice. */
const GROUP = 50_000;

export function writeEdges(
  path: string,
  rows: readonly EdgeRow[],
  metadata: Record<string, string>,
): Promise<void> {
  const groups = function* () {
    for (let from = 0; from < rows.length; from += GROUP) {
      const slice = rows.slice(from, from + GROUP);
      const means = (of: (row: EdgeRow) => Mean | null) =>
        (['mean', 'low', 'high'] as const).map((end) => slice.map((row) => of(row)?.[end] ?? null));
      yield [
        slice.map(({ writer }) => writer),
        slice.map(({ reader }) => reader),
        slice.map(({ side }) => side),
        ...means(({ value }) => value),
        ...means(({ predicted }) => predicted),
        ...means(({ measured }) => measured),
        slice.map(({ sample }) => sample),
      ];
    }
  };
  return writeParquet(path, COLUMNS, { schema_version: '1', ...metadata }, groups());
}

export interface GraphNode {
  id: string;
  kind: string;
  layer: number | null;
  head: number | null;
  sigma: number | null;
  label: string;
}

export interface Graph {
  nodes: GraphNode[];
  edges: EdgeRow[];
}

/** As NetworkX's `node_link_graph` takes it. */
export function writeGraphJson(
  path: string,
  { nodes, edges }: Graph,
  about: Record<string, unknown>,
): Promise<void> {
  return writeJson(path, {
    ...{ directed: true, multigraph: true, graph: about, nodes },
    edges: edges.map(({ writer, reader, side, value, predicted, measured }) => ({
      ...{ source: writer, target: reader, key: side, side },
      ...{ value: value.mean, predicted: predicted.mean, weight: Math.abs(predicted.mean) },
      measured: measured?.mean ?? null,
    })),
  });
}

/** As NetworkX, Gephi, Cytoscape and yEd read it. */
export function writeGraphMl(path: string, { nodes, edges }: Graph): Promise<void> {
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ...Object.entries(NODE_KEYS).map(([name, type]) => key('node', name, type)),
    ...Object.entries(EDGE_KEYS).map(([name, type]) => key('edge', name, type)),
    '<graph edgedefault="directed">',
    ...nodes.map((node) => {
      const { id, ...rest } = node;
      return `<node id="${escaped(id)}">${dataOf('node', NODE_KEYS, rest)}</node>`;
    }),
    ...edges.map(({ writer, reader, side, value, predicted, measured }, at) => {
      const figures = {
        side,
        value: value.mean,
        predicted: predicted.mean,
        weight: Math.abs(predicted.mean),
      };
      const data = dataOf('edge', EDGE_KEYS, { ...figures, measured: measured?.mean ?? null });
      return `<edge id="e${at}" source="${escaped(writer)}" target="${escaped(reader)}">${data}</edge>`;
    }),
    '</graph>',
    '</graphml>',
  ];
  return writeText(path, `${lines.join('\n')}\n`);
}

const NODE_KEYS = { kind: 'string', layer: 'int', head: 'int', sigma: 'double', label: 'string' } as const;
/** `weight` is how strong the edge is, as programs that draw graphs take it. */
const EDGE_KEYS = {
  side: 'string',
  value: 'double',
  predicted: 'double',
  measured: 'double',
  weight: 'double',
} as const;

function key(of: 'node' | 'edge', name: string, type: string): string {
  return `<key id="${of}-${name}" for="${of}" attr.name="${name}" attr.type="${type}"/>`;
}

function dataOf(of: 'node' | 'edge', keys: Record<string, string>, values: Record<string, unknown>): string {
  return Object.keys(keys)
    .filter((name) => values[name] !== null)
    .map((name) => `<data key="${of}-${name}">${escaped(String(values[name]))}</data>`)
    .join('');
}

/** XML has no way to write control characters: a replacement stands for them. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD');
}
