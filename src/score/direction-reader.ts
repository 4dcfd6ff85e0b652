/**
 * Reads coefficients of many directions from rows of the forward pass and keeps their statistics, all in the
 * kernels' memory: bases and states lie there from the first row to the last.
 */
import { InputError } from '../errors.js';
import { compileKernels, instantiate, type KernelVariant, type WasmCalls } from '../kernels/instance.js';
import { isOutOfMemory, type KernelArray } from '../kernels/memory.js';
import { type LayerRows, SIDES, type Side } from './layer-rows.js';
import { type ReadingBasis, type Source, sourcesOf } from './reading-basis.js';
import { clearStates, type ExampleSizes, NO_EXAMPLES, stateBytes } from './statistics-state.js';
import { fromColumn, type ResidentMatrix, type ResidentRows, strongestKeys } from './strongest-keys.js';

/** Values as they were read, of one component. */
export interface ReadValues {
  /** [rows, directions]. */
  values: Float32Array;
  /** [rows, directions], the strongest key's position; null where there are no keys. */
  keys: Int32Array | null;
}

/** A basis in the kernels' memory; matrices have `cols` columns. */
interface ResidentBasis {
  basis: ReadingBasis;
  directions: number;
  /** `directions` rounded up to what kernels take at a time. */
  cols: number;
  matrix: number;
  /** Zero where there is none. */
  bias: number;
  keyMatrix: number;
  units: number;
  states: Record<Side, number>;
}

/** Directions that the kernels take at a time. */
const LANES = 4;

/** An instance of the kernels for one reader. */
export async function readerKernels(variant?: KernelVariant): Promise<WasmCalls> {
  return instantiate((await compileKernels(variant)).module);
}

export class DirectionReader {
  readonly #wasm: WasmCalls;
  readonly #bases: ResidentBasis[];
  readonly #sizes: Record<Side, ExampleSizes>;

  /**
   * Copies bases into the kernels' memory. Examples are kept of clean prompts only.
   * @param wasm of this reader alone
   * @throws InputError if they do not fit
   */
  constructor(wasm: WasmCalls, bases: readonly ReadingBasis[], sizes: ExampleSizes) {
    this.#wasm = wasm;
    this.#sizes = { clean: sizes, corrupted: NO_EXAMPLES };
    this.#bases = guarded(() => bases.map((basis) => this.#admit(basis)));
    this.clear();
  }

  /** Forgets all values. */
  clear(): void {
    for (const side of SIDES)
      for (const resident of this.#bases) {
        const { cols, states } = resident;
        const bytes = cols * stateBytes(this.#sizes[side]);
        clearStates(this.#wasm.memory.view(Uint8Array, states[side], bytes), this.#sizes[side]);
      }
  }

  /**
   * Takes in a layer's rows.
   * @param keep also return the values
   * @throws InputError if a coefficient is not finite, or memory is used up
   */
  read(layer: LayerRows, keep: boolean): ReadValues[] {
    const { memory } = this.#wasm;
    const bases = this.#bases.filter(({ basis }) => basis.layer === layer.layer);
    const results: ReadValues[] = [];
    guarded(() =>
      memory.scoped(() => {
        const rows = this.#copyRows(layer, bases);
        for (const resident of bases)
          memory.scoped(() => {
            const values = this.#readOne(resident, rows, keep);
            if (values) results.push(values);
          });
      }),
    );
    return results;
  }

  /** Bytes that {@link save} writes for one side. */
  savedBytes(side: Side): number {
    return this.#bases.reduce((sum, { directions }) => sum + directions * stateBytes(this.#sizes[side]), 0);
  }

  /** Copies the states of all directions out, basis by basis. */
  save(side: Side, out: Uint8Array): void {
    this.#eachStates(side, (states, from) => out.set(states, from));
  }

  /** Goes on from states that were saved. */
  restore(side: Side, saved: Uint8Array): void {
    this.#eachStates(side, (states, from) => states.set(saved.subarray(from, from + states.length)));
  }

  /** @param visit is given each basis' states, and where they stand among those of all */
  #eachStates(side: Side, visit: (states: Uint8Array, from: number) => void): void {
    let from = 0;
    for (const { directions, states } of this.#bases) {
      const bytes = directions * stateBytes(this.#sizes[side]);
      visit(this.#wasm.memory.view(Uint8Array, states[side], bytes), from);
      from += bytes;
    }
  }

  #admit(basis: ReadingBasis): ResidentBasis {
    const { memory } = this.#wasm;
    const directions = basis.units.length;
    const cols = Math.ceil(directions / LANES) * LANES;
    const units = new Float64Array(cols).fill(1);
    units.set(basis.units);
    const copy = (matrix: Float32Array | null | undefined) =>
      matrix ? memory.copyIn(widened(matrix, directions, cols)) : 0;
    const states = (side: Side) => memory.allocate(cols * stateBytes(this.#sizes[side]));
    return {
      basis,
      directions,
      cols,
      matrix: copy(basis.matrix),
      bias: copy(basis.bias),
      keyMatrix: copy(basis.keys?.matrix),
      units: memory.copyIn(units),
      states: { clean: states('clean'), corrupted: states('corrupted') },
    };
  }

  /** Copies what the bases read, and nothing else. */
  #copyRows(rows: LayerRows, bases: readonly ResidentBasis[]): ResidentRows {
    const { memory } = this.#wasm;
    const names = new Set(bases.flatMap(({ basis }) => sourcesOf(basis)));
    const sources = Object.fromEntries(
      [...names].map((name): [Source, ResidentMatrix] => {
        const source = rows.sources[name]!;
        const count = name === 'keys' ? rows.columns * rows.batch : rows.rows;
        return [name, { address: memory.copyIn(source), stride: source.length / count }];
      }),
    );
    return {
      rows,
      sources,
      descriptions: memory.copyIn(rows.descriptions),
      tokens: memory.copyIn(rows.tokens),
      passages: memory.copyIn(rows.passages),
    };
  }

  #readOne(resident: ResidentBasis, resting: ResidentRows, keep: boolean): ReadValues | null {
    const { basis, directions, cols, matrix, bias, keyMatrix, units, states } = resident;
    const { rows, side } = resting.rows;
    const { memory } = this.#wasm;
    const source = fromColumn(resting.sources[basis.source]!, basis.from);
    const x = memory.allocate(4 * rows * cols);
    const { width } = basis;
    this.#wasm.read({ rows, width, cols, x: source.address, xStride: source.stride, matrix, bias, out: x });
    const found =
      basis.keys &&
      strongestKeys(this.#wasm, { keys: basis.keys, directions, cols, matrix: keyMatrix }, resting, x);
    const { descriptions, tokens } = resting;
    const { examples, context } = this.#sizes[side];
    const unfit = this.#wasm.accumulate({
      rows,
      cols,
      x,
      units,
      states: states[side],
      stateBytes: stateBytes(this.#sizes[side]),
      examples,
      context,
      descriptions,
      tokens,
      keys: found?.keys ?? 0,
      logits: found?.logits ?? 0,
    });
    if (unfit >= 0)
      throw new InputError(
        `${basis.name}: a coefficient is not finite; the model overflows on these prompts`,
      );
    if (!keep) return null;
    return {
      values: narrowed(memory.view(Float32Array, x, rows * cols), new Float32Array(rows * directions), rows),
      keys:
        found &&
        narrowed(memory.view(Int32Array, found.keys, rows * cols), new Int32Array(rows * directions), rows),
    };
  }
}

/** @throws InputError if memory is used up */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isOutOfMemory(error))
      throw new InputError(
        'scoring needs more than the 4 GiB that a thread can have; give it more threads or fewer directions',
      );
    throw error;
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

/** The first columns of [rows, cols], as many as [rows, directions] has room for. */
function narrowed<T extends Exclude<KernelArray, Uint8Array | Float64Array>>(
  wide: T,
  out: T,
  rows: number,
): T {
  const [cols, directions] = [wide.length / rows, out.length / rows];
  for (let row = 0; row < rows; row++)
    out.set(wide.subarray(row * cols, row * cols + directions), row * directions);
  return out;
}
