/**
 * Why a head looks where it looks: each attention score as an exact sum over the head's directions (docs/reading.md,
 * "Scores"). With y_k = [1, x_i]·u_k it is
 *
 *     score_ij = scale · Σ_k y_k σ_k ([1, x_j]·v_k)
 *
 * and with rotary positions scale · rate_i · Σ_k y_k (u_kᵀ[b_Q; W_Q] R_i)·k_j, k_j the head's key as attention has it.
 */
import type { Directions } from '../decompose/directions.js';
import { ownCoordinates, queriesOf } from '../decompose/factors.js';
import type { MaskedModel } from '../forward/masked-model.js';
import type { BlockPlace, PlaceInModel } from '../forward/places.js';
import { type Architecture, kvHeadOf, type Rotary } from '../models/architecture.js';
import type { Component } from '../models/components.js';
import { planesOf } from '../models/qk-split.js';
import type { LayerWeights } from '../models/weights.js';
import { keysOnEngine, queriesOnEngine } from './engine-directions.js';
import type { PlaceValues } from './place-values.js';

/** The scores of one query with all keys that it sees. */
export interface QueryScores {
  /** What the softmax gets, [keys]: scaled, and capped where the model does so. */
  scores: Float64Array;
  /** What it makes of them, [keys]. */
  pattern: Float64Array;
  /**
   * [keys, directions], row-major; each row adds up to its score. Where scores are capped, the cap is frozen at what it
   * made of the whole: cap·tanh(s/cap)/s.
   */
  contributions: Float64Array;
}

/** What a head's scores are made of, as files have it or the engine. */
interface ScoreWeights {
  /** [rank or dHead, dHead]: where positions turn, what each coefficient adds to the query. */
  queries: ArrayLike<number> | null;
  /** By plane, the two coordinates of each direction. */
  planes: readonly [number, number][] | null;
  /** Where positions do not turn, σ_k ([1, x]·v_k) of a row of a pass, [rank]. */
  keyRow: ((values: PlaceValues, row: number) => ArrayLike<number>) | null;
}

export class ScoreSum {
  readonly rank: number;
  readonly #queries: ScoreWeights['queries'];
  readonly #planes: ScoreWeights['planes'];
  readonly #keyRow: ScoreWeights['keyRow'];

  private constructor(
    readonly component: Component,
    private readonly architecture: Architecture,
    { queries, planes, keyRow }: ScoreWeights,
  ) {
    this.rank = component.rank;
    this.#queries = queries;
    this.#planes = planes;
    this.#keyRow = keyRow;
  }

  /**
   * @param directions of the component; null by plane, where they are the head's own coordinates
   * @param weights of its layer
   */
  static from(
    component: Component,
    directions: Directions | null,
    weights: LayerWeights,
    architecture: Architecture,
  ): ScoreSum {
    const { dHead } = architecture;
    const rotary = architecture.rotary?.[component.layer];
    return new ScoreSum(component, architecture, {
      queries: rotary ? queriesOf(component, directions, weights, dHead) : null,
      planes: directions ? null : planesOf(dHead, rotary!.dims),
      keyRow: rotary ? null : (values, row) => keyRow(directions!, architecture, values, row),
    });
  }

  /**
   * Of all heads of a layer, from what the engine has of their directions.
   * @param values that the sums will be asked of
   */
  static async onEngine(running: MaskedModel, layer: number, values: PlaceValues): Promise<ScoreSum[]> {
    const { architecture, layout, planes } = running;
    const { dHead } = architecture;
    const heads = layout.components.filter((each) => each.layer === layer && each.kind === 'qk');
    const { rank } = heads[0]!;
    const [queries, keys] = [
      await queriesOnEngine(running, layer),
      await keysOnEngine(running, values, layer),
    ];
    const width = heads.length * rank;
    return heads.map((component, head) => {
      const [size, first] = [rank * dHead, head * rank];
      return new ScoreSum(component, architecture, {
        queries: planes ? ownCoordinates(dHead) : (queries?.subarray(head * size, (head + 1) * size) ?? null),
        planes: planes?.[layer] ?? null,
        keyRow: keys && ((_, row) => keys.subarray(row * width + first, row * width + first + rank)),
      });
    });
  }

  /** What a pass must read for {@link of}, all positions computed. */
  static places(layer: number, { rotary, queryKeyNorm }: Architecture): PlaceInModel[] {
    const places: BlockPlace[] = ['qk.coefficients', 'scores', 'pattern', rotary ? 'k' : 'attentionInput'];
    if (queryKeyNorm !== undefined) places.push('queryRate');
    return places.map((place) => ({ layer, place }));
  }

  /**
   * @param values of a pass that read {@link ScoreSum.places}
   * @param prompt which of its prompts
   * @param query token of the prompt, from 0
   * @param among directions whose contributions are wanted, those of the others are left at 0; all by default
   */
  of(values: PlaceValues, prompt: number, query: number, among?: readonly number[]): QueryScores {
    const column = values.paddingOf(prompt) + query;
    const keys = query + 1;
    const row = (place: 'scores' | 'pattern') => Float64Array.from(this.#row(place, values, prompt, query));
    const scores = row('scores');
    const { scoreCap } = this.architecture;
    // What a cap leaves of each depends on them all.
    const wanted = scoreCap === undefined && among ? among : Array.from({ length: this.rank }, (_, k) => k);
    const contributions = this.#queries
      ? this.#turned(values, prompt, column, keys, wanted)
      : this.#plain(values, prompt, column, keys, wanted);
    if (scoreCap !== undefined) freezeCap(contributions, keys, scoreCap);
    return { scores, pattern: row('pattern'), contributions };
  }

  /**
   * The sum of some directions' parts in the scores of a query, [keys]; what each adds alone is not computed for it.
   * @param weights by direction; those of weight 0 cost nothing
   */
  weighted(
    values: PlaceValues,
    prompt: number,
    query: number,
    weights: ReadonlyMap<number, number>,
  ): Float64Array {
    const column = values.paddingOf(prompt) + query;
    const { scoreCap: cap } = this.architecture;
    const sum = this.#sum(values, prompt, column, query + 1, weights);
    if (cap === undefined) return sum;
    const whole = this.#sum(values, prompt, column, query + 1, this.#everything);
    return sum.map((part, key) => part * cappedShare(whole[key]!, cap));
  }

  /** Before any cap. */
  #sum(
    values: PlaceValues,
    prompt: number,
    column: number,
    keys: number,
    weights: ReadonlyMap<number, number>,
  ): Float64Array {
    const y = this.#coefficients(values, prompt, column);
    if (this.#queries) {
      const { dHead } = this.architecture;
      const all = new Float64Array(dHead);
      for (const [k, weight] of weights) {
        const query = this.#query(k, y);
        for (let c = 0; c < dHead; c++) all[c]! += weight * query[c]!;
      }
      return this.#productsWithKeys(values, prompt, column, keys, all);
    }
    const scale = this.architecture.attentionScale[this.component.layer]!;
    const first = this.#firstRow(values, prompt, column, keys);
    return Float64Array.from({ length: keys }, (_, key) => {
      const reads = this.#keyRow!(values, first + key);
      let sum = 0;
      for (const [k, weight] of weights) sum += weight * scale * y[k]! * reads[k]!;
      return sum;
    });
  }

  get #everything(): Map<number, number> {
    return new Map(Array.from({ length: this.rank }, (_, k) => [k, 1]));
  }

  /** The key that gets more than a share of a query's attention, of at least a half; null where none does. */
  attended(values: PlaceValues, prompt: number, query: number, share: number): number | null {
    const at = this.#row('pattern', values, prompt, query).findIndex((given) => given > share);
    return at === -1 ? null : at;
  }

  /** Of a query's scores, or its pattern, the keys that it sees: a view. */
  #row(place: 'scores' | 'pattern', values: PlaceValues, prompt: number, query: number): Float32Array {
    const { layer, head } = this.component;
    const { data, shape } = values.of({ layer, place });
    const [, batch, queries, width] = shape as [number, number, number, number];
    const padding = values.paddingOf(prompt);
    const from = ((head! * batch + prompt) * queries + padding + query) * width + padding;
    return data.subarray(from, from + query + 1);
  }

  /** Whether scores depend on offsets: otherwise there is no {@link curve}. */
  get turns(): boolean {
    return this.#queries !== null;
  }

  /** Coefficients at a query, times the rate of the queries' normalisation: y_k, or a plane's coordinates. */
  coefficients(values: PlaceValues, prompt: number, query: number): Float64Array {
    const column = values.paddingOf(prompt) + query;
    const rate = this.#rate(values, prompt, column);
    return Float64Array.from(this.#coefficients(values, prompt, column), (y) => rate * y);
  }

  /** A token's key, turned back to position 0; only where positions turn. */
  keyBack(values: PlaceValues, prompt: number, token: number): Float64Array {
    const { dHead, rotary } = this.architecture;
    const { layer } = this.component;
    const { data, shape } = values.of({ layer, place: 'k' });
    const [, batch, positions] = shape as [number, number, number, number];
    const kvHead = kvHeadOf(this.component.head!, this.architecture);
    const column = values.paddingOf(prompt) + token;
    const from = ((kvHead * batch + prompt) * positions + column) * dHead;
    const key = Float64Array.from(data.subarray(from, from + dHead));
    const { dims, scale } = rotary![layer]!;
    turn(key, -column, rotary![layer]!);
    // Turning there and back multiplies by the scale twice; a key as attention has it is scaled once.
    for (let i = 0; i < dims; i++) key[i]! /= scale;
    return key;
  }

  /**
   * What a direction adds to the score of a key, by how far back that is; only where positions turn. Before any cap.
   * @param coefficients as {@link coefficients} gives them, or means of such
   * @param key as {@link keyBack} gives it, or a mean
   */
  curve(k: number, coefficients: ArrayLike<number>, key: Float64Array, offsets: number): Float64Array {
    const { dHead, attentionScale, rotary } = this.architecture;
    const { layer } = this.component;
    const query = this.#query(k, coefficients);
    return Float64Array.from({ length: offsets }, (_, offset) => {
      const turned = query.slice();
      turn(turned, offset, rotary![layer]!);
      let product = 0;
      for (let c = 0; c < dHead; c++) product += turned[c]! * key[c]!;
      return attentionScale[layer]! * product;
    });
  }

  /** What direction k puts into the head's query, before it is turned, [dHead]. */
  #query(k: number, coefficients: ArrayLike<number>): Float64Array {
    const { dHead } = this.architecture;
    const query = new Float64Array(dHead);
    for (const at of this.#planes?.[k] ?? [k])
      for (let c = 0; c < dHead; c++) query[c]! += coefficients[at]! * this.#queries![at * dHead + c]!;
    return query;
  }

  #rate(values: PlaceValues, prompt: number, column: number): number {
    if (this.architecture.queryKeyNorm === undefined) return 1;
    const { layer, head } = this.component;
    const { data, shape } = values.of({ layer, place: 'queryRate' });
    const [, batch, positions] = shape as [number, number, number, number];
    return data[(head! * batch + prompt) * positions + column]!;
  }

  /** This head's coefficients at a query: a view. */
  #coefficients(values: PlaceValues, prompt: number, column: number): Float32Array {
    const { data, shape } = values.of({ layer: this.component.layer, place: 'qk.coefficients' });
    const width = shape[1]! / this.architecture.nHeads;
    const rows = shape[0]! / values.prompts.length;
    const from = ((prompt * rows + column) * this.architecture.nHeads + this.component.head!) * width;
    return data.subarray(from, from + width);
  }

  #plain(
    values: PlaceValues,
    prompt: number,
    column: number,
    keys: number,
    wanted: readonly number[],
  ): Float64Array {
    const scale = this.architecture.attentionScale[this.component.layer]!;
    const y = this.#coefficients(values, prompt, column);
    const first = this.#firstRow(values, prompt, column, keys);
    const out = new Float64Array(keys * this.rank);
    for (let key = 0; key < keys; key++) {
      const reads = this.#keyRow!(values, first + key);
      for (const k of wanted) out[key * this.rank + k] = scale * y[k]! * reads[k]!;
    }
    return out;
  }

  /** Of the keys that a query sees, where a place has a row for each position. */
  #firstRow(values: PlaceValues, prompt: number, column: number, keys: number): number {
    const { shape } = values.of({ layer: this.component.layer, place: 'attentionInput' });
    return (prompt * shape[0]!) / values.prompts.length + column - keys + 1;
  }

  #turned(
    values: PlaceValues,
    prompt: number,
    column: number,
    keys: number,
    wanted: readonly number[],
  ): Float64Array {
    const y = this.#coefficients(values, prompt, column);
    const out = new Float64Array(keys * this.rank);
    for (const k of wanted) {
      const products = this.#productsWithKeys(values, prompt, column, keys, this.#query(k, y));
      for (let key = 0; key < keys; key++) out[key * this.rank + k] = products[key]!;
    }
    return out;
  }

  /** A query of the head's, not yet turned, scaled and with each key, [keys]. */
  #productsWithKeys(
    values: PlaceValues,
    prompt: number,
    column: number,
    keys: number,
    query: Float64Array,
  ): Float64Array {
    const { layer, head } = this.component;
    const { dHead, attentionScale, rotary } = this.architecture;
    const { data, shape } = values.of({ layer, place: 'k' });
    const [, batch, positions] = shape as [number, number, number, number];
    const kvHead = kvHeadOf(head!, this.architecture);
    const firstKey = (kvHead * batch + prompt) * positions + column - keys + 1;
    const rate = this.#rate(values, prompt, column);
    turn(query, column, rotary![layer]!);
    return Float64Array.from({ length: keys }, (_, key) => {
      let product = 0;
      for (let c = 0; c < dHead; c++) product += query[c]! * data[(firstKey + key) * dHead + c]!;
      return attentionScale[layer]! * rate * product;
    });
  }
}

/** σ_k ([1, x]·v_k) of one row of a pass, [rank]. */
function keyRow(
  { component: { layer, rank, cols }, s, vt }: Directions,
  { dModel: d }: Architecture,
  values: PlaceValues,
  row: number,
): Float64Array {
  const { data } = values.of({ layer, place: 'attentionInput' });
  const bias = cols - d;
  return Float64Array.from({ length: rank }, (_, k) => {
    let read = bias ? vt[k * cols]! : 0;
    for (let i = 0; i < d; i++) read += data[row * d + i]! * vt[k * cols + bias + i]!;
    return s[k]! * read;
  });
}

/** Turns a query to its position, in place. */
export function turn(query: Float64Array, position: number, { dims, frequencies, scale }: Rotary): void {
  frequencies.forEach((frequency, at) => {
    const partner = at + dims / 2;
    const [cos, sin] = [scale * Math.cos(position * frequency), scale * Math.sin(position * frequency)];
    const [x, y] = [query[at]!, query[partner]!];
    query[at] = x * cos - y * sin;
    query[partner] = y * cos + x * sin;
  });
}

function freezeCap(contributions: Float64Array, keys: number, cap: number): void {
  const rank = contributions.length / keys;
  for (let key = 0; key < keys; key++) {
    const row = contributions.subarray(key * rank, (key + 1) * rank);
    const whole = row.reduce((sum, value) => sum + value, 0);
    const factor = cappedShare(whole, cap);
    for (let k = 0; k < rank; k++) row[k]! *= factor;
  }
}

/** What a cap leaves of a value: cap·tanh(x/cap)/x. */
export function cappedShare(x: number, cap: number | undefined): number {
  return cap === undefined || x === 0 ? 1 : (cap * Math.tanh(x / cap)) / x;
}
