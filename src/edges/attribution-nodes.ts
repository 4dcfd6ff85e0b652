/** Nodes of an attribution graph: directions at tokens, embeddings, logits, and what the directions leave out of a layer. */
import { coefficientsOf } from '../forward/places.js';
import { type Direction, directionName } from '../interpret/coefficients.js';
import { logProbabilities } from '../interpret/outcomes.js';
import { writes } from '../interpret/taken-apart.js';
import { isHead, type Kind } from '../models/components.js';
import { streamAt, tokenPlaces, type Web, type WebPlace } from './edges.js';
import type { LiveRun } from './live-run.js';
import type { Reader } from './readers.js';

/** As the viewers' schema has it. */
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
export const LOGITS = 10;
/** Directions of a layer that nothing of each other goes into. */
export type Stage = 'qk' | 'ov' | 'inner' | 'last';

function stageOf(kind: Kind): Stage {
  if (kind === 'qk' || kind === 'ov') return kind;
  return writes(kind) ? 'last' : 'inner';
}

/** All nodes that were asked for, each made once. */
export class AttributionNodes {
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
