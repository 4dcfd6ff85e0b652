/**
 * The strongest key of each query: of all keys that a query sees, the one on which a direction's score is largest in
 * magnitude. A score is a query factor times a key factor, so it is the key with the largest key factor.
 */
import type { WasmCalls } from '../kernels/instance.js';
import type { LayerRows } from './layer-rows.js';
import type { KeyBasis, Source } from './reading-basis.js';

/** Rows in the kernels' memory: the first one's address, and floats from one to the next. */
export interface ResidentMatrix {
  address: number;
  stride: number;
}

/** A layer's rows in the kernels' memory. */
export interface ResidentRows {
  rows: LayerRows;
  sources: Partial<Record<Source, ResidentMatrix>>;
  descriptions: number;
  tokens: number;
  passages: number;
}

/** A QK basis in the kernels' memory. */
export interface ResidentKeys {
  keys: KeyBasis;
  directions: number;
  /** `directions` rounded up to what kernels take at a time: the width of all arrays. */
  cols: number;
  /** [dHead, cols]. */
  matrix: number;
}

/** [rows, cols] each: positions of the strongest keys (i32), and the attention logits there (f32). */
export interface StrongestKeys {
  keys: number;
  logits: number;
}

/** A matrix from one of its columns on. */
export function fromColumn({ address, stride }: ResidentMatrix, column: number): ResidentMatrix {
  return { address: address + 4 * column, stride };
}

/**
 * Turns the query factors at `x` [rows, cols] into scores on the strongest keys.
 * @returns what stays allocated until the caller gives it back
 */
export function strongestKeys(
  wasm: WasmCalls,
  { keys: basis, directions, cols, matrix }: ResidentKeys,
  { rows: { rows, batch, columns, lastOnly }, sources, passages }: ResidentRows,
  x: number,
): StrongestKeys {
  const { dHead, rotary, scale } = basis;
  const room = (numbers: number) => wasm.memory.allocate(4 * numbers);
  const queries = fromColumn(sources.queries!, basis.queryFrom);
  const keyRows = fromColumn(sources.keys!, basis.keyFrom);
  const rates = basis.rate === null ? { address: 0, stride: 0 } : fromColumn(sources.queryRates!, basis.rate);
  const found = { keys: room(rows * cols), logits: room(rows * cols) };
  const factors = room(columns * batch * cols);
  const given = {
    from: 0,
    to: 0,
    batch,
    cols,
    factors,
    passages,
    x,
    scale,
    rates: rates.address,
    rateStride: rates.stride,
    width: dHead,
    queries: queries.address,
    queryStride: queries.stride,
    keyRows: keyRows.address,
    keyStride: keyRows.stride,
    keys: found.keys,
    logits: found.logits,
    best: room(batch * cols),
    bestKey: room(batch * cols),
    memo: room(columns),
    seen: room(columns),
  };
  /** Key factors of the first columns, by a matrix [dHead, cols]. */
  const readFactors = (count: number, keyMatrix: number) => {
    const [x, xStride] = [keyRows.address, keyRows.stride];
    wasm.read({
      rows: count * batch,
      width: dHead,
      cols,
      x,
      xStride,
      matrix: keyMatrix,
      bias: 0,
      out: factors,
    });
  };

  const first = lastOnly ? columns - 1 : 0;
  if (!rotary) {
    readFactors(columns, matrix);
    given.from = first;
    given.to = columns;
    wasm.strongestKeys(given);
    return found;
  }
  // The rotation of a key depends on how far away the query stands, so each query has key factors of its own.
  const turned = room(dHead * cols);
  for (let column = first; column < columns; column++) {
    rotate(basis, directions, column, wasm.memory.view(Float32Array, turned, dHead * cols));
    readFactors(column + 1, turned);
    given.from = column;
    given.to = column + 1;
    wasm.strongestKeys(given);
  }
  return found;
}

/**
 * The key basis turned to the query's column: keys, which are turned to their own columns, are multiplied with it.
 * @param out [dHead, cols]
 */
function rotate(
  { matrix, dHead, rotary }: KeyBasis,
  directions: number,
  column: number,
  out: Float32Array,
): void {
  const { frequencies, dims, scale } = rotary!;
  const cols = out.length / dHead;
  out.fill(0);
  const half = dims / 2;
  for (let i = 0; i < dHead; i++) {
    const angle = i < dims ? column * frequencies[i % half]! : 0;
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
