/**
 * The masked forward pass straight from the definitions, in float64 and plain loops: the oracle for src/masks.
 * Shares no algebra with it: dense augmented rows, explicit U, σ, V, one prompt at a time, no padding.
 */
import type { Directions } from '../../src/decompose/directions.js';
import { type Activation, type Architecture, kvHeadOf, type Rotary } from '../../src/models/architecture.js';
import { componentName, type Kind } from '../../src/models/components.js';
import { planesOf } from '../../src/models/qk-split.js';
import type { EndWeights, LayerWeights, Linear } from '../../src/models/weights.js';

export interface ReferenceModel {
  architecture: Architecture;
  layers: LayerWeights[];
  ends: EndWeights;
  directions: Map<string, Directions>;
}

export interface ReferenceMasking {
  positions: 'last' | 'all';
  /** Mask of a component's directions, `fromEnd` positions before the last; undefined where it is not masked. */
  mask(component: string, fromEnd: number): Float32Array | undefined;
  /** Replacement of coefficient k (not scaled by σ) of a component, `fromEnd` positions before the last. */
  replacement(component: string, fromEnd: number, k: number): number;
}

export interface ReferenceRun {
  /** Log-softmax at the last token. */
  logProbabilities: number[];
  /** Own coefficients y_k = input·u_k by component, a row a position. */
  coefficients: Map<string, number[][]>;
  /** Per layer, the rows that attention reads, without their leading one. */
  inputs: number[][][];
  /** Per layer, the values at the named places of a pass without masks, batch dimensions left out. */
  places: Map<string, number[][] | number[][][]>[];
}

type Vector = number[];

export function referenceForward(
  model: ReferenceModel,
  ids: ArrayLike<number>,
  masking?: ReferenceMasking,
): ReferenceRun {
  const { architecture: a, ends } = model;
  const d = a.dModel;
  const coefficients = new Map<string, number[][]>();
  const inputs: number[][][] = [];
  const places: ReferenceRun['places'] = [];
  let stream: Vector[] = Array.from(ids, (id, position) =>
    Array.from(
      { length: d },
      (_, i) => ends.embed[id * d + i]! + (ends.positions ? ends.positions[position * d + i]! : 0),
    ),
  );
  const masked = (position: number) =>
    masking !== undefined && (masking.positions === 'all' || position === stream.length - 1);

  /** Output of a component from its augmented input row, through its directions. */
  const through = (
    kind: Kind,
    layer: number,
    head: number | undefined,
    position: number,
    row: Vector,
  ): Vector => {
    const name = componentName(kind, layer, head);
    const { u, s, vt, component } = model.directions.get(name)!;
    const own = project(row, u, component.rank);
    if (!coefficients.has(name)) coefficients.set(name, []);
    coefficients.get(name)![position] = own;
    const mask = masked(position) ? masking!.mask(name, stream.length - 1 - position) : undefined;
    const out = new Array<number>(component.cols).fill(0);
    own.forEach((y, k) => {
      const c = mask
        ? mask[k]! * y + (1 - mask[k]!) * masking!.replacement(name, stream.length - 1 - position, k)
        : y;
      for (let j = 0; j < out.length; j++) out[j]! += c * s[k]! * vt[k * component.cols + j]!;
    });
    return out;
  };

  model.layers.forEach((weights, layer) => {
    const x = stream.map((row) => normalised(row, a));
    inputs.push(x);
    const outputs = stream.map(() => new Array<number>(d).fill(0));
    const patterns: number[][][] = [];
    for (let head = 0; head < a.nHeads; head++) {
      const scores = scoresOf(model, weights, layer, head, x, masking);
      const pattern = scores.map((row) =>
        softmax(row.map((score) => capped(score * a.attentionScale[layer]!, a.scoreCap))),
      );
      patterns.push(pattern);
      pattern.forEach((attention, i) => {
        const context = new Array<number>(d).fill(0);
        attention.forEach((weight, j) => {
          for (let c = 0; c < d; c++) context[c]! += weight * x[j]![c]!;
        });
        const { rows } = model.directions.get(componentName('ov', layer, head))!.component;
        add(outputs[i]!, through('ov', layer, head, i, rows > d ? [1, ...context] : context));
      });
    }
    const { norms } = weights;
    const written = outputs.map((row) => outputNormalised(row, norms?.attention, a.normEpsilon));
    const middle = stream.map((row, i) => row.map((value, c) => value + written[i]![c]!));
    const y = (a.parallelResidual ? stream : middle).map((row) => normalised(row, a));
    const augmented = (linear: Linear, row: Vector) => (linear.bias ? [1, ...row] : row);
    const hiddens: Vector[] = [];
    const mlpWritten: Vector[] = [];
    const mlpOutput: Vector[] = [];
    const after = middle.map((row, i) => {
      let hidden: Vector;
      if (a.gatedMlp) {
        const up = through('mlp_up', layer, undefined, i, augmented(weights.mlpIn, y[i]!));
        const gate = through('mlp_gate', layer, undefined, i, augmented(weights.mlpGate!, y[i]!));
        hidden = gate.map((value, j) => activation(value, a.activation) * up[j]!);
      } else {
        hidden = through('mlp_in', layer, undefined, i, augmented(weights.mlpIn, y[i]!)).map((value) =>
          activation(value, a.activation),
        );
      }
      const out = through(
        a.gatedMlp ? 'mlp_down' : 'mlp_out',
        layer,
        undefined,
        i,
        augmented(weights.mlpOut, hidden),
      );
      const added = outputNormalised(out, norms?.mlp, a.normEpsilon);
      hiddens.push(hidden);
      mlpWritten.push(out);
      mlpOutput.push(added);
      return row.map((value, c) => value + added[c]!);
    });
    places.push(
      new Map<string, number[][] | number[][][]>([
        ...headPlaces(a, weights, layer, x, patterns),
        ['streamBefore', stream],
        ['attentionInput', x],
        ['attentionWritten', outputs],
        ['attentionOutput', written],
        ['streamBetween', middle],
        ['mlpInput', y],
        ['mlpHidden', hiddens],
        ['mlpWritten', mlpWritten],
        ['mlpOutput', mlpOutput],
        ['streamAfter', after],
      ]),
    );
    stream = after;
  });
  const final = normalised(stream[stream.length - 1]!, a);
  const { weight, bias } = ends.unembed;
  const logits = Array.from({ length: a.nVocab }, (_, v) =>
    capped(
      final.reduce((total, value, i) => total + value * weight[i * a.nVocab + v]!, bias ? bias[v]! : 0),
      a.logitCap,
    ),
  );
  const top = Math.max(...logits);
  const normaliser = top + Math.log(logits.reduce((total, logit) => total + Math.exp(logit - top), 0));
  return { logProbabilities: logits.map((logit) => logit - normaliser), coefficients, inputs, places };
}

/** What each head computes in its own coordinates, from the plain weights; keys and values by key head. */
function headPlaces(
  a: Architecture,
  weights: LayerWeights,
  layer: number,
  x: Vector[],
  pattern: number[][][],
): [string, number[][][]][] {
  const { dHead, queryKeyNorm } = a;
  const rotary = a.rotary?.[layer];
  const byHead = (linear: Linear, heads: number) =>
    Array.from({ length: heads }, (_, head) => {
      const matrix = headColumns(linear, head, dHead);
      return x.map((row) => times(linear.bias ? [1, ...row] : row, matrix));
    });
  const turned = (written: Vector[][], rates: number[][][]) =>
    written.map((head, h) =>
      head.map((row, i) => {
        const scaled = row.map((value) => value * rates[h]![i]![0]!);
        return rotary ? rotated(scaled, i, rotary) : scaled;
      }),
    );
  const ratesOf = (written: Vector[][], norm: Float32Array | undefined) =>
    written.map((head) => head.map((row) => [outputRate(row, norm, queryKeyNorm)]));
  const [queries, keys] = [byHead(weights.q, a.nHeads), byHead(weights.k, a.nKvHeads)];
  const v = byHead(weights.v, a.nKvHeads);
  const [queryRate, keyRate] = [ratesOf(queries, weights.norms?.query), ratesOf(keys, weights.norms?.key)];
  const [q, k] = [turned(queries, queryRate), turned(keys, keyRate)];
  const scores = q.map((head, h) =>
    head.map((row, i) =>
      k[kvHeadOf(h, a)]!.slice(0, i + 1).map((key) =>
        capped(
          a.attentionScale[layer]! * row.reduce((sum, value, c) => sum + value * key[c]!, 0),
          a.scoreCap,
        ),
      ),
    ),
  );
  const z = pattern.map((head, h) =>
    head.map((row) =>
      Array.from({ length: dHead }, (_, c) =>
        row.reduce((sum, weight, j) => sum + weight * v[kvHeadOf(h, a)]![j]![c]!, 0),
      ),
    ),
  );
  const rates: [string, number[][][]][] =
    queryKeyNorm === undefined
      ? []
      : [
          ['queryRate', queryRate],
          ['keyRate', keyRate],
        ];
  return [...rates, ['q', q], ['k', k], ['v', v], ['scores', scores], ['pattern', pattern], ['z', z]];
}

/** Scores by QK directions alone, before the attention scale: Σ_k m_k ([1,x_i]u_k) σ_k ([1,x_j]v_k) for j ≤ i. */
export function referenceScores(
  model: ReferenceModel,
  layer: number,
  head: number,
  x: Vector[],
  mask: Float32Array,
): number[][] {
  return scoresOf(model, model.layers[layer]!, layer, head, x, {
    positions: 'all',
    mask: () => mask,
    replacement: () => 0,
  });
}

/** score_ij = Σ_k m_k ([1,x_i]u_k) σ_k ([1,x_j]v_k) for j ≤ i. */
function scoresOf(
  { architecture, directions }: ReferenceModel,
  weights: LayerWeights,
  layer: number,
  head: number,
  x: Vector[],
  masking: ReferenceMasking | undefined,
): number[][] {
  const name = componentName('qk', layer, head);
  const mask = masking?.mask(name, 0);
  const d = architecture.dModel;
  const { dHead } = architecture;
  const rotary = architecture.rotary?.[layer];
  if (rotary) {
    // x_i u_k u_kᵀ W_Q R_{i−j} W_Kᵀ x_jᵀ summed over k, by definition of the split (docs/maths.md).
    const entry = directions.get(name);
    const planes = planesOf(dHead, rotary.dims);
    const biased = weights.q.bias !== null;
    const query = headColumns(weights.q, head, dHead);
    const key = headColumns(weights.k, kvHeadOf(head, architecture), dHead);
    const queries = x.map((row, i) => {
      const augmented = biased ? [1, ...row] : row;
      const whole = times(augmented, query);
      let back = new Array<number>(dHead).fill(0);
      if (!entry)
        // By plane: both coordinates of a plane times its mask.
        back = whole.map((value, c) => value * (mask?.[planes.findIndex((pair) => pair.includes(c))] ?? 1));
      else {
        const { u, component, head: own } = entry;
        project(augmented, u, component.rank).forEach((y, k) => {
          // Directions that are not orthonormal bring the row of the query matrix that they stand for.
          if (own)
            for (let c = 0; c < dHead; c++) back[c]! += (mask ? mask[k]! : 1) * y * own[k * dHead + c]!;
          for (let r = 0; !own && r < component.rows; r++)
            for (let c = 0; c < dHead; c++)
              back[c]! += (mask ? mask[k]! : 1) * y * u[r * component.rank + k]! * query[r]![c]!;
        });
      }
      const rate = outputRate(whole, weights.norms?.query, architecture.queryKeyNorm);
      return rotated(
        back.map((value) => value * rate),
        i,
        rotary,
      );
    });
    const keys = x.map((row, j) => {
      const plain = times(weights.k.bias ? [1, ...row] : row, key);
      return rotated(outputNormalised(plain, weights.norms?.key, architecture.queryKeyNorm), j, rotary);
    });
    return queries.map((q, i) =>
      keys.slice(0, i + 1).map((k) => q.reduce((total, value, c) => total + value * k[c]!, 0)),
    );
  }
  const { u, s, vt, component } = directions.get(name)!;
  const left = x.map((row) => project(component.rows > d ? [1, ...row] : row, u, component.rank));
  const right = x.map((row) => {
    const augmented = component.cols > d ? [1, ...row] : row;
    return Array.from({ length: component.rank }, (_, k) =>
      augmented.reduce((total, value, c) => total + value * vt[k * component.cols + c]!, 0),
    );
  });
  return left.map((own, i) =>
    right
      .slice(0, i + 1)
      .map((other) => own.reduce((total, y, k) => total + (mask ? mask[k]! : 1) * y * s[k]! * other[k]!, 0)),
  );
}

function headColumns({ rows, cols, weight, bias }: Linear, head: number, dHead: number): number[][] {
  const plain = Array.from({ length: rows }, (_, r) =>
    Array.from(weight.subarray(r * cols + head * dHead, r * cols + (head + 1) * dHead)),
  );
  return bias ? [Array.from(bias.subarray(head * dHead, (head + 1) * dHead)), ...plain] : plain;
}

export function rotated(x: Vector, position: number, { dims, frequencies, scale }: Rotary): Vector {
  const half = dims / 2;
  return x.map((value, i) => {
    if (i >= dims) return value;
    const angle = position * frequencies[i % half]!;
    const partner = i < half ? -x[i + half]! : x[i - half]!;
    return scale * (value * Math.cos(angle) + partner * Math.sin(angle));
  });
}

/** row · U, U row-major [rows, rank]. */
export function project(row: Vector, u: Float32Array, rank: number): Vector {
  return Array.from({ length: rank }, (_, k) =>
    row.reduce((total, value, r) => total + value * u[r * rank + k]!, 0),
  );
}

function normalised(row: Vector, { norm, normEpsilon }: Architecture): Vector {
  const mean = norm === 'layer' ? row.reduce((total, value) => total + value, 0) / row.length : 0;
  const square = row.reduce((total, value) => total + (value - mean) ** 2, 0) / row.length;
  return row.map((value) => (value - mean) / Math.sqrt(square + normEpsilon));
}

/** row · matrix. */
function times(row: Vector, matrix: number[][]): Vector {
  return matrix[0]!.map((_, c) => row.reduce((total, value, r) => total + value * matrix[r]![c]!, 0));
}

/** The factor of a normalisation whose gain is in y: 1/√(Σ w y² + ε); 1 where there is none. */
export function outputRate(y: Vector, weights: Float32Array | undefined, epsilon = 0): number {
  if (!weights) return 1;
  return 1 / Math.sqrt(y.reduce((total, value, i) => total + weights[i]! * value * value, 0) + epsilon);
}

function outputNormalised(y: Vector, weights: Float32Array | undefined, epsilon = 0): Vector {
  const rate = outputRate(y, weights, epsilon);
  return y.map((value) => value * rate);
}

export function capped(x: number, cap: number | undefined): number {
  return cap === undefined ? x : cap * Math.tanh(x / cap);
}

export function activation(x: number, kind: Activation): number {
  switch (kind) {
    case 'relu':
      return Math.max(0, x);
    case 'silu':
      return x / (1 + Math.exp(-x));
    case 'gelu_new':
      return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    case 'gelu':
      return 0.5 * x * (1 + erf(x / Math.SQRT2));
  }
}

/** erf by its Maclaurin series (|x| < 3) or continued fraction: float64 accuracy, slow. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 4.5) return Math.sign(x);
  let sum = z;
  let term = z;
  for (let n = 1; n < 200; n++) {
    term *= (-z * z) / n;
    sum += term / (2 * n + 1);
  }
  return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
}

export function softmax(row: number[]): number[] {
  const top = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - top));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

function add(into: Vector, values: Vector): void {
  values.forEach((value, i) => {
    into[i]! += value;
  });
}
