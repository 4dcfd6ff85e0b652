/**
 * One prompt as an attribution graph: directions at tokens, from the embeddings to the logits, with what the circuit
 * leaves out as error nodes, in the JSON that circuit-tracer's and Neuronpedia's viewers open (docs/reading.md).
 */
import { heed } from '../heed.js';
import { packageVersion } from '../package-file.js';
import type { LongCall } from '../progress.js';
import { innerLinks, type Link, patternLinks, streamLinks } from './attribution-links.js';
import {
  type AttributionNode,
  AttributionNodes,
  type GraphRequest,
  LOGITS,
  type Stage,
} from './attribution-nodes.js';
import type { Web } from './edges.js';
import type { LiveRun } from './live-run.js';

/** As the viewers' schema names them. */
export interface AttributionGraph {
  metadata: Record<string, unknown>;
  qParams: {
    pinnedIds: string[];
    supernodes: string[][];
    linkType: string;
    clickedId: string;
    sg_pos: string;
  };
  nodes: AttributionNode[];
  links: { source: string; target: string; weight: number }[];
}

/** Of each node's input the strongest links are kept that make up this share, of nodes those with this share of influence. */
export interface Kept {
  nodes: number;
  links: number;
}
const KEPT: Kept = { nodes: 0.98, links: 0.98 };
/** What viewers show at first. */
const SHOWN = 0.8;

/** @param run of one prompt */
export async function attributionGraph(
  web: Web,
  run: LiveRun,
  request: GraphRequest,
  { kept = KEPT, signal }: { kept?: Kept } & LongCall = {},
): Promise<AttributionGraph> {
  const { clean } = run.asked[0]!;
  const nodes = new AttributionNodes(web, run, request);
  const influence = new Map<AttributionNode, number>();
  const links: { source: AttributionNode; target: AttributionNode; weight: number }[] = [];
  const take = (target: AttributionNode, given: readonly Link[]) => {
    const own = influence.get(target)!;
    // A query and a key may read the same token.
    const bySource = new Map<AttributionNode, number>();
    for (const { source, weight } of given) bySource.set(source, (bySource.get(source) ?? 0) + weight);
    const inputs = [...bySource]
      .map(([source, weight]) => ({ source, weight }))
      .filter(({ weight }) => weight !== 0)
      .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
    const total = inputs.reduce((sum, { weight }) => sum + Math.abs(weight), 0);
    let sum = 0;
    for (const { source, weight } of inputs) {
      if (sum >= kept.links * total) break;
      sum += Math.abs(weight);
      influence.set(source, (influence.get(source) ?? 0) + (own * Math.abs(weight)) / total);
      links.push({ source, target, weight });
    }
  };

  const logits = nodes.logits();
  for (const { node, place } of logits) {
    influence.set(node, node.token_prob / logits.reduce((sum, each) => sum + each.node.token_prob, 0));
    take(node, streamLinks(web, place, run, place.readers[0]!, clean.length - 1, nodes));
  }
  // From the logits back: whatever a node goes into was seen before it.
  const inOrder = [...nodes.directions].sort((a, b) => b.layer - a.layer || rank(b.kinds) - rank(a.kinds));
  for (const { layer, kinds, members } of inOrder)
    for (let token = 0; token < clean.length; token++) {
      await heed(signal);
      if (!run.has(layer, 0, token)) continue;
      const reached = members.filter((direction) => influence.has(nodes.direction(direction, token)));
      if (reached.length === 0) continue;
      if (kinds === 'last') {
        const inner = await innerLinks(web, run, layer, token, reached, nodes);
        reached.forEach((direction, at) => take(nodes.direction(direction, token), inner[at]!));
        continue;
      }
      for (const direction of reached) {
        const given: Link[] = [];
        for (const { place, reader } of nodes.readersOf(direction)) {
          // Both sides of a score are all of it: half of each, so that the parts add up to it.
          const share = kinds === 'qk' ? 0.5 : 1;
          for (const { source, weight } of streamLinks(web, place, run, reader, token, nodes))
            given.push({ source, weight: share * weight });
          if (kinds === 'ov') given.push(...patternLinks(web, run, place, reader, token, nodes));
        }
        take(nodes.direction(direction, token), given);
      }
    }
  return finished(nodes, influence, links, kept, request);
}

function finished(
  nodes: AttributionNodes,
  influence: Map<AttributionNode, number>,
  links: readonly { source: AttributionNode; target: AttributionNode; weight: number }[],
  share: Kept,
  { prompt, scan, slug, spell }: GraphRequest,
): AttributionGraph {
  const { clean } = nodes.run.asked[0]!;
  const inner = [...influence.keys()].filter(({ feature_type }) => feature_type !== 'logit');
  const total = inner.reduce((sum, node) => sum + influence.get(node)!, 0);
  let sum = 0;
  const kept = new Set([...influence.keys()].filter(({ feature_type }) => feature_type === 'logit'));
  for (const node of inner.sort((a, b) => influence.get(b)! - influence.get(a)!)) {
    if (sum >= share.nodes * total) break;
    sum += influence.get(node)!;
    node.influence = sum / total;
    kept.add(node);
  }
  // What goes only into nodes that were dropped has no way to the logits.
  const leading = () =>
    new Set(
      links.filter(({ target, source }) => kept.has(target) && kept.has(source)).map(({ source }) => source),
    );
  for (let size = 0; size !== kept.size; ) {
    size = kept.size;
    const sources = leading();
    for (const node of kept) if (node.feature_type !== 'logit' && !sources.has(node)) kept.delete(node);
  }
  return {
    metadata: {
      ...{ slug, scan, transcoder_list: [], prompt_tokens: Array.from(clean, spell), prompt },
      ...{ node_threshold: SHOWN, schema_version: 1 },
      info: {
        description:
          'Nodes are singular directions at tokens; error nodes are what the other directions of a layer write.',
        generator: { name: 'orthoscope', version: packageVersion() },
      },
      generation_settings: { max_n_logits: LOGITS },
      pruning_settings: { node_threshold: share.nodes, edge_threshold: share.links },
    },
    qParams: { pinnedIds: [], supernodes: [], linkType: 'both', clickedId: '', sg_pos: '' },
    nodes: [...kept],
    links: links
      .filter(({ source, target }) => kept.has(source) && kept.has(target))
      .map(({ source, target, weight }) => ({ source: source.node_id, target: target.node_id, weight })),
  };
}

const rank = (stage: Stage) => ['qk', 'ov', 'inner', 'last'].indexOf(stage);
