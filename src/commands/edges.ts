/** `edges`: which direction writes what another one reads, and what that is worth for the answer. */
import { basename } from 'node:path';
import { type Agreement, agreementOf, chosenCuts, type Sample } from '../edges/agreement.js';
import { attributionGraph } from '../edges/attribution-graph.js';
import { measureCuts } from '../edges/cuts.js';
import {
  type EdgeRow,
  type GraphNode,
  writeEdges,
  writeGraphJson,
  writeGraphMl,
} from '../edges/edge-files.js';
import { checkSize, type Edge, meanEdges, webOf } from '../edges/edges.js';
import { liveRun } from '../edges/live-run.js';
import { writeJson } from '../formats/atomic-file.js';
import { type Label, type Labels, readLabels } from '../formats/labels-file.js';
import type { RunFolder } from '../formats/run-folder.js';
import { type Direction, directionName } from '../interpret/coefficients.js';
import { meanOf } from '../interpret/mean-of.js';
import { chosenDirections, inherited, withMasks, withTakenApart } from '../interpret/open.js';
import { readTokenChoice, tokensOf } from '../interpret/token-choice.js';
import { contrasted, typedPair } from '../interpret/typed-prompt.js';
import { kindsOf } from '../models/components.js';
import type { Listener } from '../progress.js';
import { loadData, splitsOf } from '../run/data.js';
import { outFolder } from '../run/out-folder.js';
import { concluding, newSession, timed } from '../run/session.js';
import { sourceOf } from '../run/source.js';
import type { Subject } from '../run/subject.js';
import type { Given, Settings } from '../settings/commands.js';
import { complete } from '../settings/complete.js';
import type { Split } from '../tasks/splits.js';

export interface EdgesSummary {
  data: string;
  prompts: number;
  directions: number;
  /** All edges, those from embeddings, biases and what is left out included. */
  edges: number;
  /** What was foreseen against what cuts did; null where nothing was cut. */
  agreement: (Record<Sample | 'all', Agreement> & { prompts: number }) | null;
  /** The strongest ones. */
  top: EdgeRow[];
}

export interface EdgesOutcome {
  run: RunFolder;
  summary: EdgesSummary;
  /** Paths; the attribution graph is there for one prompt. */
  files: Record<'table' | 'json' | 'graphml', string> & { attribution?: string };
}

/**
 * Finds the edges between a circuit's directions, or between some of a model's, and checks them by cutting.
 * @example
 * const { summary } = await edges({ run: 'runs/ioi' });
 * await edges({ run: 'gpt2', directions: 'L5H5.qk,L4H11.ov', task: 'induction', cuts: 0 });
 */
export async function edges(given: Given<'edges'>, listener: Listener = {}): Promise<EdgesOutcome> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('edges', given, inherited('edges', run, given));
  const { directions: list, kinds, threshold, level, resamples, seed } = settings;
  const named = settings.prompt === null ? (settings.task ?? settings.data ?? 'prompts') : 'prompt';
  const out = outFolder(settings, 'runs', `edges-${basename(named)}`, listener);
  const choice = { list, kinds, threshold };
  return withTakenApart(
    { ...settings, model, run },
    (subject, masks) => {
      checkSize(chosenDirections(choice, subject, masks), subject.model.architecture, settings.memory);
      return kindsOf(subject.model.architecture);
    },
    listener,
    async ({ subject, engine, apart, masks }) => {
      const chosen = chosenDirections(choice, subject, masks);
      const data = await promptsOf(subject, settings, splitsOf(run, given), listener);
      const session = await newSession(out, { command: 'edges', settings, subject, data, engine });
      const { manifest } = session;
      return concluding(session, () =>
        timed(session, 'edges', async () => {
          const asked = [];
          for (const pair of data.pairs) asked.push(await contrasted(apart.running, pair));
          const at = readTokenChoice(settings.at, subject.tokenizer);
          const tokens = asked.map(({ id, clean }) => tokensOf(at, clean, `pair "${id}"`));
          const web = await webOf(apart, chosen);
          const all = await meanEdges(web, asked, tokens, { level, ...listener });
          const measured = new Map<Edge, Pick<EdgeRow, 'measured' | 'sample'>>();
          const cut = chosenCuts(all.edges, settings.cuts, seed);
          const few = asked.slice(0, settings.cutPairs);
          let agreement: EdgesSummary['agreement'] = null;
          if (cut.length > 0) {
            const found = await measureCuts(
              web,
              few,
              tokens,
              cut.map(({ edge }) => edge),
              listener,
            );
            cut.forEach(({ edge, sample }, which) => {
              measured.set(edge, { measured: meanOf([...found[which]!], level), sample });
            });
            // What was foreseen of the prompts on which they were cut.
            const same =
              few.length === asked.length ? all : await meanEdges(web, few, tokens, { level, ...listener });
            const foreseen = new Map(same.edges.map((edge) => [edgeName(edge), edge.predicted.mean]));
            const of = (sample: Sample | null) => {
              const own = cut.filter((each) => sample === null || each.sample === sample);
              return agreementOf(
                own.map(({ edge }) => foreseen.get(edgeName(edge))!),
                own.map(({ edge }) => measured.get(edge)!.measured!.mean),
                { level, resamples, seed },
              );
            };
            agreement = {
              all: of(null),
              strongest: of('strongest'),
              random: of('random'),
              prompts: few.length,
            };
          }
          const rows = all.edges
            .map((edge): EdgeRow => {
              const { writer, reader, value, predicted } = edge;
              const { name, side } = reader;
              const cut = measured.get(edge) ?? { measured: null, sample: null };
              return { writer, reader: name, side, value, predicted, ...cut };
            })
            .sort((a, b) => Math.abs(b.predicted.mean) - Math.abs(a.predicted.mean));
          const files: EdgesOutcome['files'] = {
            table: session.file('edges.parquet'),
            json: session.file('graph.json'),
            graphml: session.file('graph.graphml'),
          };
          const about = { model: manifest.model.id, weight_form: manifest.weight_form, data: data.name };
          await writeEdges(files.table, rows, { ...about, at: settings.at });
          const labels = run ? await readLabels(run.file('labels.csv')) : new Map<string, Label>();
          const strongest = rows.slice(0, settings.graphEdges);
          const graph = { nodes: nodesOf(strongest, chosen, apart.running, labels), edges: strongest };
          await writeGraphJson(files.json, graph, { ...about, prompts: asked.length, at: settings.at });
          await writeGraphMl(files.graphml, graph);
          if (settings.prompt !== null && subject.tokenizer) {
            const { tokenizer } = subject;
            const graph = await attributionGraph(
              web,
              await liveRun(apart, asked),
              {
                prompt: settings.prompt,
                scan: basename(manifest.model.id),
                slug: basename(out),
                spell: (id) => tokenizer.token(id),
                labelOf: (name) => labels.get(name)?.label ?? null,
              },
              listener,
            );
            files.attribution = session.file('attribution-graph.json');
            await writeJson(files.attribution, graph);
          }
          const summary: EdgesSummary = {
            ...{
              data: data.name,
              prompts: asked.length,
              directions: chosen.length,
              edges: rows.length,
              agreement,
            },
            top: rows.slice(0, settings.top),
          };
          await writeJson(session.file('summary.json'), summary);
          return { run: session, summary, files };
        }),
      );
    },
  );
}

const edgeName = ({ writer, reader }: Edge) => `${writer} ${reader.name} ${reader.side}`;

async function promptsOf(
  subject: Subject,
  settings: Settings<'edges'>,
  cut: readonly Split[],
  { onNote }: Listener,
) {
  const { prompt } = settings;
  if (prompt !== null) {
    const { pair } = typedPair(subject, { ...settings, prompt });
    return { name: 'one prompt', described: {}, notes: [], pairs: [pair] };
  }
  const data = await loadData(subject, { ...settings, positions: 'last' }, ['test'], cut);
  for (const line of data.notes) onNote?.(line);
  return { ...data, pairs: data.splits.test! };
}

/** The nodes that some edges have. */
function nodesOf(
  rows: readonly EdgeRow[],
  directions: readonly Direction[],
  {
    layout,
    sigma,
  }: { layout: { of(component: Direction['component']): { start: number } }; sigma: Float32Array },
  labels: Labels,
): GraphNode[] {
  const byName = new Map(directions.map((direction) => [directionName(direction), direction]));
  const names = new Set(rows.flatMap(({ writer, reader }) => [writer, reader]));
  return [...names].map((id) => {
    const direction = byName.get(id);
    const { component, index } = direction ?? {};
    return {
      ...{ id, kind: component?.kind ?? id, layer: component?.layer ?? null, head: component?.head ?? null },
      sigma: component ? sigma[layout.of(component).start + index!]! : null,
      label: labels.get(id)?.label ?? id,
    };
  });
}

/** What {@link edges} would take. */
export interface EdgesEstimate {
  directions: number;
  edges: number;
  prompts: number;
  /** Edges that would be cut; each cut runs its prompts once. */
  cuts: number;
  /** Of the edges alone. */
  memory_bytes: number;
}

/** Says what {@link edges} would do, without decomposing anything. */
export async function estimateEdges(given: Given<'edges'>, listener: Listener = {}): Promise<EdgesEstimate> {
  const { model, run } = await sourceOf(given.run, given.model);
  const settings = complete('edges', given, inherited('edges', run, given));
  const { directions: list, kinds, threshold } = settings;
  return withMasks({ ...settings, model, run }, listener, async (subject, masks) => {
    const chosen = chosenDirections({ list, kinds, threshold }, subject, masks);
    const { edges, bytes } = checkSize(chosen, subject.model.architecture, settings.memory);
    const { pairs } = await promptsOf(subject, settings, splitsOf(run, given), listener);
    return {
      ...{ directions: chosen.length, edges, prompts: pairs.length },
      ...{ cuts: Math.min(settings.cuts, edges), memory_bytes: bytes },
    };
  });
}
