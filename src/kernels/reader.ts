/**
 * Reads coefficients of many directions from rows of the forward pass and keeps their statistics, all in the
 * kernels' memory: bases and states lie there from the first row to the last.
 */
import { InputError } from '../errors.js';
import type { Exports } from './kernels.js';
import { clearStates, type ExampleSizes, NO_EXAMPLES, stateBytes } from './statistics-state.js';

/**
 * What rows of a layer can be read from, each [rows, width]; `keys` is [columns · batch, width]. `queries` and `keys`
 * are what is multiplied, with rotations and norms; `queryRates` [rows, heads] is the queries' norms' factor.
 */
export type Source =
  | 'attentionInput'
  | 'context'
  | 'mlpInput'
  | 'mlpOutput'
  | 'queries'
  | 'queryRates'
  | 'keys';

/** Some directions of one component: coefficient = row · matrix + bias, times the strongest key's factor for QK. */
export interface ReadingBasis {
  /** The component's name. */
  name: string;
  layer: number;
  source: Source;
  /** First column of the source that is read, and how many. */
  from: number;
  width: number;
  /** [width, directions]. */
  matrix: Float32Array;
  /** [directions]. */
  bias: Float32Array | null;
  /** Units of the directions' sums, [directions]. */
  units: Float64Array;
  keys: KeyBasis | null;
}

/** How a QK direction reads keys. */
export interface KeyBasis {
  /** [dHead, directions]: key vector → key factor. */
  matrix: Float32Array;
  /** First columns of the head in `queries` and in `keys`. */
  queryFrom: number;
  keyFrom: number;
  dHead: number;
  /** Factor on scores and logits. */
  scale: number;
  /** Column of `queryRates` with one more factor on scores; null where queries are not normalised. */
  rate: number | null;
  /** Angle a column of each rotated pair, and the factor on both; null without rotary positions. */
  rotary: { frequencies: Float64Array; dims: number; scale: number } | null;
}

/** The sources that a basis needs. */
export function sourcesOf({ source, keys }: Pick<ReadingBasis, 'source' | 'keys'>): Source[] {
  if (!keys) return [source];
  return [source, 'queries', 'keys', ...(keys.rate === null ? [] : ['queryRates' as const])];
}

/** Rows of one layer for one batch of prompts. */
export interface LayerRows {
  layer: number;
  /** Which of the two sets of statistics they belong to. */
  side: 'clean' | 'corrupted';
  rows: number;
  /** Prompts, padded on the left to `columns` tokens. */
  batch: number;
  columns: number;
  /** Only the last column is scored. */
  lastOnly: boolean;
  sources: Partial<Record<Source, Float32Array>>;
  /** [rows, 5]: prompt, position, place of the token in `tokens`, tokens before it, rows of its prompt before it. */
  descriptions: Int32Array;
  tokens: Int32Array;
  /** [batch, 4]: first column with a token, first column that is scored, its row, position − column. */
  prompts: Int32Array;
}

/** Values as they were read, of one component. */
export interface ReadValues {
  /** [rows, directions]. */
  values: Float32Array;
  /** [rows, directions], the strongest key's position; null where there are no keys. */
  keys: Int32Array | null;
}

interface Resident {
  basis: ReadingBasis;
  directions: number;
  /** `directions` rounded up to what the kernels read at a time. */
  cols: number;
  matrix: number;
  bias: number;
  keyMatrix: number;
  units: number;
  states: Record<Side, number>;
}

type Side = LayerRows['side'];
export const SIDES: readonly Side[] = ['clean', 'corrupted'];

/** Directions that the kernels take at a time. */
const LANES = 4;

export class DirectionReader {
  readonly #wasm: Exports;
  readonly #residents: Resident[];
  readonly #sizes: Record<Side, ExampleSizes>;

  /**
   * Copies bases into the kernels' memory. Examples are kept of clean prompts only.
   * @throws InputError if they do not fit
   */
  constructor(wasm: Exports, bases: readonly ReadingBasis[], sizes: ExampleSizes) {
    this.#wasm = wasm;
    this.#sizes = { clean: sizes, corrupted: NO_EXAMPLES };
    this.#residents = this.#guarded(() => bases.map((basis) => this.#admit(basis)));
    this.clear();
  }

  /** Forgets all values. */
  clear(): void {
    for (const side of SIDES)
      for (const resident of this.#residents) clearStates(this.#states(resident, side), this.#sizes[side]);
  }

  /**
   * Takes in a layer's rows.
   * @param keep also return the values
   * @throws InputError if a coefficient is not finite, or memory is used up
   */
  read(layer: LayerRows, keep: boolean): ReadValues[] {
    return this.#guarded(() => {
      const height = this.#wasm.mark();
      const sources = this.#copySources(layer);
      const descriptions = this.#copyIn(layer.descriptions);
      const tokens = this.#copyIn(layer.tokens);
      const prompts = this.#copyIn(layer.prompts);
      const results: ReadValues[] = [];
      for (const resident of this.#residents) {
        if (resident.basis.layer !== layer.layer) continue;
        const start = this.#wasm.mark();
        const x = this.#project(resident, layer, sources);
        const found = resident.basis.keys ? this.#strongestKeys(resident, layer, sources, prompts, x) : null;
        const { examples, context } = this.#sizes[layer.side];
        const fault = this.#wasm.accumulate(
          layer.rows,
          resident.cols,
          x,
          resident.units,
          resident.states[layer.side],
          stateBytes(this.#sizes[layer.side]),
          examples,
          context,
          descriptions,
          tokens,
          found?.keys ?? 0,
          found?.logits ?? 0,
        );
        if (fault >= 0)
          throw new InputError(
            `${resident.basis.name}: a coefficient is not finite; the model overflows on these prompts`,
          );
        if (keep)
          results.push({
            values: this.#dense(resident, layer.rows, x, Float32Array),
            keys: found && this.#dense(resident, layer.rows, found.keys, Int32Array),
          });
        this.#wasm.release(start);
      }
      this.#wasm.release(height);
      return results;
    });
  }

  /** Bytes that {@link save} writes for one side. */
  savedBytes(side: Side): number {
    return this.#residents.reduce(
      (sum, { directions }) => sum + directions * stateBytes(this.#sizes[side]),
      0,
    );
  }

  /** Copies the states of all directions out, basis by basis. */
  save(side: Side, out: Uint8Array): void {
    let at = 0;
    for (const resident of this.#residents) {
      const own = this.#states(resident, side).subarray(
        0,
        resident.directions * stateBytes(this.#sizes[side]),
      );
      out.set(own, at);
      at += own.length;
    }
  }

  /** Goes on from states that were saved. */
  restore(side: Side, saved: Uint8Array): void {
    let at = 0;
    for (const resident of this.#residents) {
      const length = resident.directions * stateBytes(this.#sizes[side]);
      this.#states(resident, side).set(saved.subarray(at, at + length));
      at += length;
    }
  }

  /** Only what bases of the layer read. */
  #copySources({ layer, sources: given }: LayerRows): Partial<Record<Source, number>> {
    const sources: Partial<Record<Source, number>> = {};
    for (const { basis } of this.#residents) {
      if (basis.layer !== layer) continue;
      for (const name of sourcesOf(basis)) sources[name] ??= this.#copyIn(given[name]!);
    }
    return sources;
  }

  #admit(basis: ReadingBasis): Resident {
    const directions = basis.units.length;
    const cols = Math.ceil(directions / LANES) * LANES;
    const units = new Float64Array(cols).fill(1);
    units.set(basis.units);
    const states = (side: Side) => this.#wasm.allocate(cols * stateBytes(this.#sizes[side]));
    return {
      basis,
      directions,
      cols,
      matrix: this.#copyIn(widened(basis.matrix, directions, cols)),
      bias: basis.bias ? this.#copyIn(widened(basis.bias, directions, cols)) : 0,
      keyMatrix: basis.keys ? this.#copyIn(widened(basis.keys.matrix, directions, cols)) : 0,
      units: this.#copyIn(units),
      states: { clean: states('clean'), corrupted: states('corrupted') },
    };
  }

  #project(
    { basis, cols, matrix, bias }: Resident,
    { rows, sources: given }: LayerRows,
    sources: Partial<Record<Source, number>>,
  ): number {
    const x = this.#wasm.allocate(4 * rows * cols);
    const stride = given[basis.source]!.length / rows;
    const from = sources[basis.source]! + 4 * basis.from;
    this.#wasm.read(rows, basis.width, cols, from, stride, matrix, bias, x);
    return x;
  }

  /** Turns query factors into scores on the strongest key; returns where key positions and logits stand. */
  #strongestKeys(
    { basis, cols, directions, keyMatrix }: Resident,
    { rows, batch, columns, lastOnly, sources: given }: LayerRows,
    sources: Partial<Record<Source, number>>,
    prompts: number,
    x: number,
  ): { keys: number; logits: number } {
    const wasm = this.#wasm;
    const { dHead, keyFrom, queryFrom, scale, rate, rotary } = basis.keys!;
    const rates = rate === null ? 0 : sources.queryRates! + 4 * rate;
    const rateRow = rate === null ? 0 : given.queryRates!.length / rows;
    const [qRow, kRow] = [given.queries!.length / rows, given.keys!.length / (columns * batch)];
    const q = sources.queries! + 4 * queryFrom;
    const k = sources.keys! + 4 * keyFrom;
    const keys = wasm.allocate(4 * rows * cols);
    const logits = wasm.allocate(4 * rows * cols);
    const factors = wasm.allocate(4 * columns * batch * cols);
    const best = wasm.allocate(4 * batch * cols);
    const bestKey = wasm.allocate(4 * batch * cols);
    const [memo, seen] = [wasm.allocate(4 * columns), wasm.allocate(4 * columns)];
    const turned = rotary ? wasm.allocate(4 * dHead * cols) : keyMatrix;
    const factorsUpTo = (count: number) => wasm.read(count * batch, dHead, cols, k, kRow, turned, 0, factors);
    if (!rotary) factorsUpTo(columns);
    wasm.resetKeys(batch, cols, prompts, best, bestKey);
    let scanned = 0;
    for (let t = lastOnly ? columns - 1 : 0; t < columns; t++) {
      if (rotary) {
        // The rotation of a key depends on how far away the query stands, so every query has key factors of its own.
        this.#rotate(basis.keys!, directions, cols, t, turned);
        factorsUpTo(t + 1);
        if (scanned > 0) wasm.resetKeys(batch, cols, prompts, best, bestKey);
        scanned = 0;
      }
      wasm.scanKeys(scanned, t + 1, batch, cols, factors, prompts, best, bestKey);
      scanned = t + 1;
      wasm.settleKeys(
        t,
        batch,
        cols,
        scale,
        rates,
        rateRow,
        x,
        best,
        bestKey,
        prompts,
        dHead,
        q,
        qRow,
        k,
        kRow,
        keys,
        logits,
        memo,
        seen,
      );
    }
    return { keys, logits };
  }

  /** Rotates the key basis to column t: what keys, which are rotated to their own column, are multiplied with. */
  #rotate(
    { matrix, dHead, rotary }: KeyBasis,
    directions: number,
    cols: number,
    t: number,
    to: number,
  ): void {
    const { frequencies, dims, scale } = rotary!;
    const out = new Float32Array(this.#wasm.memory.buffer, to, dHead * cols);
    out.fill(0);
    const half = dims / 2;
    for (let i = 0; i < dHead; i++) {
      const angle = i < dims ? t * frequencies[i % half]! : 0;
      const [cos, sin] = i < dims ? [Math.cos(angle) * scale, Math.sin(angle) * scale] : [1, 0];
      const partner = i < half ? i + half : i - half;
      const sign = i < half ? -1 : 1;
      for (let c = 0; c < directions; c++) {
        let value = matrix[i * directions + c]! * cos;
        if (i < dims) value += sign * matrix[partner * directions + c]! * sin;
        out[i * cols + c] = value;
      }
    }
  }

  #states({ states, cols }: Resident, side: Side): Uint8Array {
    return new Uint8Array(this.#wasm.memory.buffer, states[side], cols * stateBytes(this.#sizes[side]));
  }

  /** [rows, directions] of the kernels' [rows, cols]. */
  #dense<T extends Float32Array | Int32Array>(
    { directions, cols }: Resident,
    rows: number,
    from: number,
    Type: new (buffer: ArrayBuffer | number, offset?: number, length?: number) => T,
  ): T {
    const wide = new Type(this.#wasm.memory.buffer, from, rows * cols);
    const out = new Type(rows * directions);
    for (let row = 0; row < rows; row++)
      out.set(wide.subarray(row * cols, row * cols + directions), row * directions);
    return out;
  }

  #copyIn(array: Float32Array | Float64Array | Int32Array): number {
    const pointer = this.#wasm.allocate(array.byteLength);
    const Type = array.constructor as new (
      buffer: ArrayBuffer,
      offset: number,
      length: number,
    ) => Float32Array;
    new Type(this.#wasm.memory.buffer, pointer, array.length).set(array);
    return pointer;
  }

  /** The kernels trap for one reason only: memory.grow was refused. */
  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError)
        throw new InputError(
          'scoring needs more than the 4 GiB that a thread can have; give more --workers or fewer --directions',
        );
      throw error;
    }
  }
}

/** [rows, cols] with zeros behind the columns of [rows, directions]. */
function widened(matrix: Float32Array, directions: number, cols: number): Float32Array {
  if (directions === cols) return matrix;
  const rows = matrix.length / directions;
  const out = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++)
    out.set(matrix.subarray(row * directions, (row + 1) * directions), row * cols);
  return out;
}
