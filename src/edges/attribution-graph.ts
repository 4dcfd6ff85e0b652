/**
 * One prompt as an attribution graph: directions at tokens, from the embeddings to the logits, with what the circuit
 * leaves out as error nodes, in the JSON that circuit-tracer's and Neuronpedia's viewers open (docs/reading.md).
 *
 * Links are direct: through the stream as edges are, from a head's QK directions to its OV directions through the
 * pattern, and from an MLP's inner directions to its last ones through the activation, both to first order.
 */
import * as tf from '@tensorflow/tfjs-core';
import { activate } from '../engine/ops/activation.js';
import { toTensor } from '../engine/tensor.js';
import { throwIfAborted } from '../errors.js';
import { coefficientsOf } from '../forward/places.js';
import { type Direction, directionName } from '../interpret/coefficients.js';
import { logProbabilities } from '../interpret/outcomes.js';
import { writes } from '../interpret/taken-apart.js';
import { isHead, type Kind } from '../models/components.js';
import type { Linear } from '../models/weights.js';
import { packageVersion } from '../package-file.js';
import type { LongCall } from '../progress.js';
import { FURTHER, pooled, streamAt, tokenPlaces, type Web, type WebPlace } from './edges.js';
import { type LiveRun, readAt } from './live-run.js';
import { dot, type Reader } from './readers.js';
import { reaches } from './writers.js';

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

export interface AttributionNode {
  node_id: string;
  feature: number;
  layer: string;
  ctx_idx: number;
  feature_type: 'cross layer transcoder' | 'embedding' | 'logit' | 'mlp reconstruction error' | 'lorsa error';
  token_prob: number;
  is_target_logit: boolean;
  run_idx: number;
  reverse_ctx_idx: number;
  jsNodeId: string;
  clerp: string;
  /** Share of all influence that this node and all more influential ones have; null of logits. */
  influence: number | null;
  /** A direction's coefficient, of QK its score; null of others. */
  activation: number | null;
}

export interface GraphRequest {
  prompt: string;
  /** A text that names the model. */
  scan: string;
  slug: string;
  spell(id: number): string;
  /** What a direction is called, beside its name. */
  labelOf(name: string): string | null;
}

/** Logit nodes, at most: the answers and distractors first, then the likeliest. */
const LOGITS = 10;
/** Of each node's input the strongest links are kept that make up this share, of nodes those with this share of influence. */
export interface Kept {
  nodes: number;
  links: number;
}
const KEPT: Kept = { nodes: 0.98, links: 0.98 };
/** What viewers show at first. */
const SHOWN = 0.8;

/** What goes into a node, with what the node is. */
interface Link {
  source: AttributionNode;
  weight: number;
}

/** @param run of one prompt */
export async function attributionGraph(
  web: Web,
  run: LiveRun,
  request: GraphRequest,
  { kept = KEPT, signal }: { kept?: Kept } & LongCall = {},
): Promise<AttributionGraph> {
  const { clean } = run.asked[0]!;
  const nodes = new Nodes(web, run, request);
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
      throwIfAborted(signal);
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
  nodes: Nodes,
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

type Stage = 'qk' | 'ov' | 'inner' | 'last';

function stageOf(kind: Kind): Stage {
  if (kind === 'qk' || kind === 'ov') return kind;
  return writes(kind) ? 'last' : 'inner';
}

const rank = (stage: Stage) => ['qk', 'ov', 'inner', 'last'].indexOf(stage);

/** All nodes that were asked for, each made once. */
class Nodes {
  readonly directions: { layer: number; kinds: Stage; members: Direction[] }[] = [];
  readonly #made = new Map<string, AttributionNode>();
  readonly #readers = new Map<string, { place: WebPlace; reader: Reader }[]>();
  readonly #errors = new Map<string, Float64Array>();

  constructor(
    readonly web: Web,
    readonly run: LiveRun,
    private readonly request: GraphRequest,
  ) {
    for (const place of web.places)
      for (const reader of place.readers) {
        const name = directionName(reader.direction!);
        this.#readers.set(name, [...(this.#readers.get(name) ?? []), { place, reader }]);
      }
    const all = new Map<string, Direction>();
    for (const { readers } of web.places)
      for (const { name, direction } of readers) all.set(name, direction!);
    for (const { name, direction } of web.writers) all.set(name, direction);
    const groups = new Map<string, Direction[]>();
    for (const direction of all.values()) {
      const { layer, kind } = direction.component;
      const key = `${layer} ${stageOf(kind)}`;
      groups.set(key, [...(groups.get(key) ?? []), direction]);
    }
    for (const [key, members] of groups) {
      const [layer, kinds] = key.split(' ') as [string, Stage];
      this.directions.push({ layer: Number(layer), kinds, members });
    }
  }

  readersOf(direction: Direction): { place: WebPlace; reader: Reader }[] {
    return this.#readers.get(directionName(direction)) ?? [];
  }

  /** Those of a layer's stage that are nodes. */
  members(layer: number, stage: Stage): Direction[] {
    return this.directions.find((each) => each.layer === layer && each.kinds === stage)?.members ?? [];
  }

  direction(direction: Direction, token: number): AttributionNode {
    const { component, index } = direction;
    const { layer } = component;
    const { layout } = this.web.apart.running;
    const first = layout.components.find((each) => each.layer === layer)!;
    const feature = layout.of(component).start - layout.of(first).start + index;
    return this.#node(`${layer}_${feature}_${token}`, () => {
      const name = directionName(direction);
      const label = this.request.labelOf(name);
      return {
        ...{ feature: paired(layer, feature), layer: String(layer), ctx_idx: token },
        ...{ feature_type: 'cross layer transcoder', jsNodeId: `${layer}_${feature}-0` },
        ...{
          clerp: label === null ? name : `${name}: ${label}`,
          activation: this.#activation(direction, token),
        },
      };
    });
  }

  embedding(token: number): AttributionNode {
    const id = this.run.asked[0]!.clean[token]!;
    return this.#node(`E_${id}_${token}`, () => ({
      ...{
        feature: token,
        layer: 'E',
        ctx_idx: token,
        feature_type: 'embedding',
        jsNodeId: `E_${id}-${token}`,
      },
      clerp: `Emb: ${this.request.spell(id)}`,
    }));
  }

  /** What a layer's directions that are no nodes write at a token; null where there are none. */
  error(
    layer: number,
    at: 'attention' | 'mlp',
    token: number,
  ): { node: AttributionNode; vector: Float64Array } | null {
    const { web, run } = this;
    const key = `${layer} ${at} ${token}`;
    let vector = this.#errors.get(key);
    if (!vector) {
      const row = run.row(0, token, { layer, place: at === 'attention' ? 'attentionOutput' : 'mlpOutput' });
      vector = Float64Array.from(row ?? []);
      for (const writer of web.writers) {
        if (writer.layer !== layer || writer.at !== at) continue;
        const amount = writer.amount(run, 0, token);
        for (let i = 0; i < vector.length; i++) vector[i]! -= amount * writer.vector[i]!;
      }
      this.#errors.set(key, vector);
    }
    if (vector.length === 0) return null;
    const index = at === 'mlp' ? -1 : -2;
    const node = this.#node(`${layer}_${index}_${token}`, () => ({
      ...{ feature: index, layer: String(layer), ctx_idx: token, jsNodeId: `${layer}_${index}-${token}` },
      feature_type: at === 'mlp' ? 'mlp reconstruction error' : 'lorsa error',
      clerp: `Err: ${at === 'mlp' ? 'mlp' : 'attn'} ${this.request.spell(run.asked[0]!.clean[token]!)}`,
    }));
    return { node, vector };
  }

  logits(): { node: AttributionNode; place: WebPlace }[] {
    const { run, web } = this;
    const { clean, answers, distractors } = run.asked[0]!;
    const logits = run.values.logitsOf(0);
    const probabilities = logProbabilities(logits).map(Math.exp);
    const likeliest = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
    const asked = [...Array.from(answers), ...Array.from(distractors)];
    const tokens = [...new Set([...asked, ...likeliest.slice(0, LOGITS)])].slice(
      0,
      Math.max(LOGITS, asked.length),
    );
    const last = clean.length - 1;
    const top = run.architecture.nLayers + 1;
    const places = tokenPlaces(web, run, 0, tokens);
    return tokens.map((id, at) => ({
      place: places[at]!,
      node: this.#node(`${top}_${id}_${last}`, () => ({
        ...{
          feature: id,
          layer: String(top),
          ctx_idx: last,
          feature_type: 'logit',
          jsNodeId: `L_${id}-${last}`,
        },
        ...{ token_prob: probabilities[id]!, is_target_logit: id === likeliest[0] },
        // Viewers take token and probability from this text.
        clerp: `Output "${this.request.spell(id)}" (p=${probabilities[id]!.toFixed(3)})`,
      })),
    }));
  }

  #activation(direction: Direction, token: number): number {
    const { component, index } = direction;
    const { layer, kind, head = 0, rank } = component;
    if (kind === 'qk') {
      const [{ place, reader }] = this.readersOf(direction) as [{ place: WebPlace; reader: Reader }];
      const along = streamAt(this.web, place, this.run, 0);
      return reader
        .terms(this.run, 0, token)
        .reduce(
          (sum, { token: read, weights, value }) =>
            sum +
            value *
              reader.axes.reduce((total, axis, s) => total + weights[s]! * along(read)(axis).reading, 0),
          0,
        );
    }
    const row = this.run.row(0, token, { layer, place: coefficientsOf(kind) })!;
    const { running } = this.web.apart;
    const unit = kind === 'ov' ? 1 : running.sigma[running.layout.of(component).start + index]!;
    return unit * row[(isHead(component) ? head * rank : 0) + index]!;
  }

  #node(id: string, make: () => Partial<AttributionNode>): AttributionNode {
    const found = this.#made.get(id);
    if (found) return found;
    const defaults = {
      ...{ node_id: id, token_prob: 0, is_target_logit: false, run_idx: 0, reverse_ctx_idx: 0 },
      ...{ influence: null, activation: null },
    };
    const made = { ...defaults, ...make() } as AttributionNode;
    this.#made.set(id, made);
    return made;
  }
}

/** Cantor's pairing, by which viewers take a feature's number apart into layer and index. */
function paired(layer: number, index: number): number {
  return ((layer + index) * (layer + index + 1)) / 2 + index;
}

/** What reaches a reader at a token through the stream. */
function streamLinks(
  web: Web,
  place: WebPlace,
  run: LiveRun,
  reader: Reader,
  token: number,
  nodes: Nodes,
): Link[] {
  const { architecture } = run;
  const found: Link[] = [];
  const seen = streamAt(web, place, run, 0);
  for (const [read, { value }] of pooled(reader.terms(run, 0, token), reader.axes.length)) {
    const along = seen(read);
    const n = place.writers.length;
    const parts = new Float64Array(n + FURTHER.length - 1);
    const whole = new Float64Array(architecture.dModel);
    reader.axes.forEach((axis, s) => {
      const own = along(axis).parts;
      const vector = place.axes[axis]!;
      for (let w = 0; w < parts.length; w++) parts[w]! += value[s]! * own[w]!;
      for (let i = 0; i < whole.length; i++) whole[i]! += value[s]! * vector[i]!;
    });
    place.writers.forEach((w, at) => {
      found.push({ source: nodes.direction(web.writers[w]!.direction, read), weight: parts[at]! });
    });
    found.push({ source: nodes.embedding(read), weight: parts[n]! + parts[n + 1]! });
    const rate = run.rate(0, read, place.place);
    for (let layer = 0; layer < architecture.nLayers; layer++)
      for (const at of ['attention', 'mlp'] as const) {
        if (!reaches({ layer, at }, place.place, architecture)) continue;
        const error = nodes.error(layer, at, read);
        if (error) found.push({ source: error.node, weight: rate * dot(whole, error.vector) });
      }
  }
  return found;
}

/** From a head's QK directions to an OV direction: what their scores change of it, to first order in scores. */
function patternLinks(
  web: Web,
  run: LiveRun,
  place: WebPlace,
  reader: Reader,
  token: number,
  nodes: Nodes,
): Link[] {
  const { layer, head } = reader.direction!.component;
  const along = streamAt(web, place, run, 0);
  const terms = reader.terms(run, 0, token);
  const pattern = run.seen(0, layer, head!, token, 'pattern');
  // σ_k y_k's part of each key; its slope by a score is that part less the key's share of all.
  const ofKey = terms.map(({ token: read, weights }) => weights[0]! * along(read)(reader.axes[0]!).reading);
  const all = ofKey.reduce((sum, value) => sum + value, 0);
  const { scoreCap: cap } = run.architecture;
  const scores = run.seen(0, layer, head!, token, 'scores');
  return nodes.members(layer, 'qk').flatMap((direction): Link[] => {
    if (direction.component.head !== head) return [];
    const query = nodes.readersOf(direction).find((each) => each.reader.side === 'query')!;
    const seen = streamAt(web, query.place, run, 0);
    let weight = 0;
    query.reader.terms(run, 0, token).forEach(({ token: read, key, weights }) => {
      const score = query.reader.axes.reduce(
        (sum, axis, s) => sum + weights[s]! * seen(read)(axis).reading,
        0,
      );
      const slope = cap === undefined ? 1 : 1 - (scores[key]! / cap) ** 2;
      weight += (ofKey[key]! - pattern[key]! * all) * slope * score;
    });
    return [{ source: nodes.direction(direction, token), weight }];
  });
}

/** From an MLP's inner directions to each of some last ones, through the activation's slope. */
async function innerLinks(
  { apart }: Web,
  run: LiveRun,
  layer: number,
  token: number,
  last: readonly Direction[],
  nodes: Nodes,
): Promise<Link[][]> {
  const inner = nodes.members(layer, 'inner');
  if (inner.length === 0) return last.map(() => []);
  const { architecture } = run;
  const weights = await apart.model.layer(layer);
  const x = run.row(0, token, readAt({ layer, at: 'mlp' }, architecture).input)!;
  const [up, gate] = [through(weights.mlpIn, x), weights.mlpGate && through(weights.mlpGate, x)];
  const { y, slope } = tf.tidy(() => {
    const before = toTensor(gate ?? up, [1, architecture.dMlp]) as tf.Tensor2D;
    const found = activate(before, architecture.activation, true);
    return { y: found.y.dataSync(), slope: found.slope!.dataSync() };
  });
  /** Of each hidden neuron by what goes into it. */
  const slopeOf = (kind: Kind, m: number) =>
    kind === 'mlp_up' ? y[m]! : kind === 'mlp_gate' ? slope[m]! * up[m]! : slope[m]!;
  const names = [...new Set([...inner, ...last].map(({ component }) => component.name))];
  const decomposed = await apart.decomposition.layer(layer, names);
  const written = inner.map((direction) => {
    const { component, index } = direction;
    const { vt } = decomposed.get(component.name)!;
    const c = nodes.direction(direction, token).activation!;
    return Float64Array.from(
      { length: component.cols },
      (_, m) => c * slopeOf(component.kind, m) * vt[index * component.cols + m]!,
    );
  });
  return last.map(({ component, index }) => {
    const { u, s } = decomposed.get(component.name)!;
    const shift = component.rows - architecture.dMlp;
    const reading = Float64Array.from(
      { length: architecture.dMlp },
      (_, m) => s[index]! * u[(m + shift) * component.rank + index]!,
    );
    return inner.map((direction, at) => ({
      source: nodes.direction(direction, token),
      weight: dot(reading, written[at]!),
    }));
  });
}

function through({ rows, cols, weight, bias }: Linear, x: Float32Array): Float32Array {
  const out = new Float32Array(cols);
  if (bias) out.set(bias);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c]! += x[r]! * weight[r * cols + c]!;
  return out;
}
