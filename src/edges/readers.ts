/**
 * What reads the stream: for each direction, a linear function of the normalised stream while everything else stays
 * as it is in the pass (docs/maths.md, "Edges"). A QK direction reads twice, as query and as key.
 */
import type { Directions } from '../decompose/directions.js';
import { queriesOf } from '../decompose/factors.js';
import { coefficientsOf } from '../forward/places.js';
import { type Direction, directionName } from '../interpret/coefficients.js';
import { cappedShare, turn } from '../interpret/score-sum.js';
import type { TakenApart } from '../interpret/taken-apart.js';
import { type Architecture, kvHeadOf } from '../models/architecture.js';
import { planesOf } from '../models/qk-split.js';
import type { LayerWeights, Linear } from '../models/weights.js';
import { type LiveRun, type ReadingPlace, reads } from './live-run.js';

/** `query`, `key`: of QK; `value`: of OV; `input`: of an MLP; `logits`: the logit difference. */
export type Side = 'query' | 'key' | 'value' | 'input' | 'logits';

/**
 * One piece of what a reader has at a token: Σ_s weights[s] · reading of axis s at `token`. Added up without factors, the
 * pieces are its value in the forward pass: y_k of an MLP, σ_k y_k of OV, and for QK the score of each key.
 */
export interface Term {
  /** Token that is read. */
  token: number;
  /** Whose score it belongs to; of QK alone. */
  key: number;
  weights: ArrayLike<number>;
  /** Factor in the figure that is reported: a coefficient, or the score of what the head looks at. */
  value: number;
  /** Slope of the logit difference by it. */
  slope: number;
}

export interface Reader {
  name: string;
  side: Side;
  direction: Direction | null;
  /** Which axes of its place it reads along. */
  axes: readonly number[];
  /** At a token where its layer is computed. */
  terms(run: LiveRun, prompt: number, token: number): Term[];
}

/** Readers of one place. */
export interface PlaceReaders {
  place: ReadingPlace;
  /** A reading is axis · normalised stream + bias, [dModel] each. What normalisation subtracts is taken from them. */
  axes: Float64Array[];
  biases: number[];
  readers: Reader[];
}

export async function readersOf(
  apart: TakenApart,
  directions: readonly Direction[],
): Promise<PlaceReaders[]> {
  const { model, decomposition } = apart;
  const { architecture } = model;
  const found: PlaceReaders[] = [];
  for (let layer = 0; layer < architecture.nLayers; layer++) {
    const own = directions.filter(({ component }) => component.layer === layer && reads(component.kind));
    if (own.length === 0) continue;
    const weights = await model.layer(layer);
    const decomposed = await decomposition.layer(layer, [
      ...new Set(own.map(({ component }) => component.name)),
    ]);
    const at = (at: 'attention' | 'mlp'): PlaceReaders => ({
      place: { layer, at },
      axes: [],
      biases: [],
      readers: [],
    });
    const [attention, mlp] = [at('attention'), at('mlp')];
    const keyAxes = new Map<number, number[]>();
    for (const direction of own) {
      const { kind, name } = direction.component;
      const entry = decomposed.get(name) ?? null;
      if (kind === 'qk') addQueryKey(attention, direction, entry, weights, architecture, keyAxes);
      else if (kind === 'ov') addValue(attention, direction, entry!, architecture);
      else addInput(mlp, direction, entry!, architecture);
    }
    for (const place of [attention, mlp]) {
      if (place.readers.length === 0) continue;
      if (architecture.norm === 'layer') place.axes.forEach(subtractMean);
      found.push(place);
    }
  }
  return found;
}

function addInput(
  to: PlaceReaders,
  direction: Direction,
  { u, s }: Directions,
  architecture: Architecture,
): void {
  const { component, index } = direction;
  const { layer, kind, rank, rows } = component;
  const place = { layer, place: coefficientsOf(kind) };
  to.readers.push({
    name: directionName(direction),
    side: 'input',
    direction,
    axes: [addAxis(to, columnOf(u, rows, rank, index), architecture)],
    terms: (run, prompt, token) => [
      {
        ...{ token, key: token, weights: ONE, value: s[index]! },
        slope: run.row(prompt, token, place, 'slopes')![index]!,
      },
    ],
  });
}

function addValue(
  to: PlaceReaders,
  direction: Direction,
  { u, s }: Directions,
  architecture: Architecture,
): void {
  const { component, index } = direction;
  const { layer, rank, rows } = component;
  const head = component.head!;
  const place = { layer, place: coefficientsOf('ov') };
  to.readers.push({
    name: directionName(direction),
    side: 'value',
    direction,
    axes: [addAxis(to, columnOf(u, rows, rank, index), architecture)],
    terms(run, prompt, token) {
      const slope = run.row(prompt, token, place, 'slopes')![head * rank + index]!;
      return Array.from(run.seen(prompt, layer, head, token, 'pattern'), (share, key) => ({
        ...{ token: key, key, weights: [s[index]! * share], value: 1, slope },
      }));
    },
  });
}

function addQueryKey(
  to: PlaceReaders,
  direction: Direction,
  directions: Directions | null,
  weights: LayerWeights,
  architecture: Architecture,
  keyAxes: Map<number, number[]>,
): void {
  const { component, index } = direction;
  const { layer, rank, rows, cols } = component;
  const head = component.head!;
  const { dHead, nHeads, attentionScale, queryKeyNorm } = architecture;
  const scale = attentionScale[layer]!;
  const rotary = architecture.rotary?.[layer];
  const name = directionName(direction);
  const place = { layer, place: coefficientsOf('qk') };
  /** What the direction puts into the query, at a query: by coordinate. By plane it has two, else one. */
  const coordinates = directions ? [index] : planesOf(dHead, rotary!.dims)[index]!;
  const own = (run: LiveRun, prompt: number, query: number) => {
    const row = run.row(prompt, query, place)!;
    return coordinates.map((c) => row[(head * row.length) / nHeads + c]!);
  };
  const rate = (run: LiveRun, prompt: number, query: number) =>
    queryKeyNorm === undefined ? 1 : run.ofHead(prompt, layer, head, query, 'queryRate')[0]!;
  const queryAxes = directions
    ? [addAxis(to, columnOf(directions.u, rows, rank, index), architecture)]
    : coordinates.map((c) => addAxis(to, headColumn(weights.q, head * dHead + c), architecture));

  if (!rotary) {
    const { s, vt } = directions!;
    const v = Float64Array.from(vt.subarray(index * cols, (index + 1) * cols));
    const keyAxis = addAxis(to, v, architecture);
    const bias = v.length > architecture.dModel ? v[0]! : 0;
    const keyRead = (run: LiveRun, prompt: number, key: number) => {
      const x = run.row(prompt, key, { layer, place: 'attentionInput' })!;
      const shift = v.length - x.length;
      let sum = bias;
      for (let i = 0; i < x.length; i++) sum += x[i]! * v[shift + i]!;
      return sum;
    };
    const side = (side: 'query' | 'key', axes: number[]): Reader => ({
      ...{ name, side, direction, axes },
      terms: (run, prompt, token) => {
        const [y] = own(run, prompt, token);
        return scoreFactors(run, prompt, layer, head, token, architecture).map((factors, key) => ({
          ...factors,
          ...(side === 'query'
            ? { token, key, weights: [scale * s[index]! * keyRead(run, prompt, key)] }
            : { token: key, key, weights: [scale * s[index]! * y!] }),
        }));
      },
    });
    to.readers.push(side('query', queryAxes), side('key', [keyAxis]));
    return;
  }

  const all = queriesOf(component, directions, weights, dHead);
  const queries = coordinates.map((c) => all.slice(c * dHead, (c + 1) * dHead));
  const kvHead = kvHeadOf(head, architecture);
  const columns =
    keyAxes.get(kvHead) ??
    Array.from({ length: dHead }, (_, c) =>
      addAxis(to, headColumn(weights.k, kvHead * dHead + c), architecture),
    );
  keyAxes.set(kvHead, columns);
  to.readers.push({
    ...{ name, side: 'query', direction, axes: queryAxes },
    terms(run, prompt, token) {
      const turned = queries.map((query) => {
        const to = query.slice();
        turn(to, run.values.paddingOf(prompt) + token, rotary);
        return to;
      });
      const factor = scale * rate(run, prompt, token);
      return scoreFactors(run, prompt, layer, head, token, architecture).map((factors, key) => {
        const k = run.ofHead(prompt, layer, kvHead, key, 'k');
        return { ...factors, token, key, weights: turned.map((query) => factor * dot(query, k)) };
      });
    },
  });
  to.readers.push({
    ...{ name, side: 'key', direction, axes: columns },
    terms(run, prompt, token) {
      const factor = scale * rate(run, prompt, token);
      const whole = new Float64Array(dHead);
      own(run, prompt, token).forEach((y, c) => {
        for (let i = 0; i < dHead; i++) whole[i]! += factor * y * queries[c]![i]!;
      });
      turn(whole, token, rotary);
      return scoreFactors(run, prompt, layer, head, token, architecture).map((factors, key) => {
        // The transpose of the key's own turn; the factor on cosines and sines comes along once more, as it should.
        const back = whole.slice();
        turn(back, -key, rotary);
        const keyRate =
          queryKeyNorm === undefined ? 1 : run.ofHead(prompt, layer, kvHead, key, 'keyRate')[0]!;
        return { ...factors, token: key, key, weights: back.map((value) => keyRate * value) };
      });
    },
  });
}

/**
 * Of each key that a query sees: the factor of its score in what is reported, Σ_j (pattern_j − 1/n) score_j, and the
 * slope of the logit difference by it, both before any cap.
 */
function scoreFactors(
  run: LiveRun,
  prompt: number,
  layer: number,
  head: number,
  query: number,
  { scoreCap }: Architecture,
): Pick<Term, 'value' | 'slope'>[] {
  const pattern = run.seen(prompt, layer, head, query, 'pattern');
  const slopes = run.seen(prompt, layer, head, query, 'slopes');
  const scores = run.seen(prompt, layer, head, query, 'scores');
  return Array.from(pattern, (share, key) => {
    const capped = scores[key]!;
    const whole = scoreCap === undefined ? capped : scoreCap * Math.atanh(capped / scoreCap);
    return {
      value: (share - 1 / pattern.length) * cappedShare(whole, scoreCap),
      slope: slopes[key]! * (scoreCap === undefined ? 1 : 1 - (capped / scoreCap) ** 2),
    };
  });
}

const ONE = [1];

/** @param augmented [dModel], or with the bias first, [1 + dModel] */
function addAxis(to: PlaceReaders, augmented: Float64Array, { dModel }: Architecture): number {
  const shift = augmented.length - dModel;
  to.axes.push(augmented.slice(shift));
  to.biases.push(shift ? augmented[0]! : 0);
  return to.axes.length - 1;
}

/** Column k of a row-major [rows, cols]. */
function columnOf(matrix: Float32Array, rows: number, cols: number, k: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, r) => matrix[r * cols + k]!);
}

function headColumn({ rows, cols, weight, bias }: Linear, c: number): Float64Array {
  const column = columnOf(weight, rows, cols, c);
  return bias ? Float64Array.of(bias[c]!, ...column) : column;
}

function subtractMean(vector: Float64Array): void {
  const mean = vector.reduce((sum, value) => sum + value, 0) / vector.length;
  for (let i = 0; i < vector.length; i++) vector[i]! -= mean;
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
