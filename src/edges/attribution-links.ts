/**
 * Links of an attribution graph are direct: through the stream as edges are, from a head's QK directions to its OV
 * directions through the pattern, and from an MLP's inner directions to its last ones through the activation, both to
 * first order.
 */
import * as tf from '@tensorflow/tfjs-core';
import { activate, activatePull } from '../engine/ops/activation.js';
import { toTensor } from '../engine/tensor.js';
import type { Direction } from '../interpret/coefficients.js';
import type { Kind } from '../models/components.js';
import type { Linear } from '../models/weights.js';
import type { AttributionNode, AttributionNodes } from './attribution-nodes.js';
import { FURTHER, pooled, streamAt, type Web, type WebPlace } from './edges.js';
import { type LiveRun, readAt } from './live-run.js';
import { dot, type Reader } from './readers.js';
import { reaches } from './writers.js';

/** What goes into a node, with what the node is. */
export interface Link {
  source: AttributionNode;
  weight: number;
}

/** What reaches a reader at a token through the stream. */
export function streamLinks(
  web: Web,
  place: WebPlace,
  run: LiveRun,
  reader: Reader,
  token: number,
  nodes: AttributionNodes,
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
export function patternLinks(
  web: Web,
  run: LiveRun,
  place: WebPlace,
  reader: Reader,
  token: number,
  nodes: AttributionNodes,
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
export async function innerLinks(
  { apart }: Web,
  run: LiveRun,
  layer: number,
  token: number,
  last: readonly Direction[],
  nodes: AttributionNodes,
): Promise<Link[][]> {
  const inner = nodes.members(layer, 'inner');
  if (inner.length === 0) return last.map(() => []);
  const { architecture } = run;
  const weights = await apart.model.layer(layer);
  const x = run.row(0, token, readAt({ layer, at: 'mlp' }, architecture).input)!;
  const [up, gate] = [through(weights.mlpIn, x), weights.mlpGate && through(weights.mlpGate, x)];
  const { y, slope } = tf.tidy(() => {
    const before = toTensor(gate ?? up, [1, architecture.dMlp]) as tf.Tensor2D;
    const { y, kept } = activate(before, architecture.activation, true);
    const slope = activatePull(tf.onesLike(before), kept!, architecture.activation);
    return { y: y.dataSync(), slope: slope.dataSync() };
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
