/**
 * The running statistics of one direction as bytes, the same in WebAssembly, in its reference and on disk.
 * Two states of the same direction merge to exactly what one pass over all values leaves behind.
 */
import { Slot, State } from '../../assembly/layout.js';

/** Where the window ends before any value: low, and just so that zero lies below it. */
const FIRST_TOP = 192;

/** Parts of a sum are apart by this. */
export const STEP = 2 ** -22;

/** What is kept of examples. */
export interface ExampleSizes {
  /** Examples in each of the two lists. */
  examples: number;
  /** Tokens of a context: the example's own and those before it. */
  context: number;
}

export const NO_EXAMPLES: ExampleSizes = { examples: 0, context: 0 };

export function slotBytes({ context }: ExampleSizes): number {
  return Slot.CONTEXT + 8 * context;
}

/** Bytes of one direction's state, a multiple of eight. */
export function stateBytes(sizes: ExampleSizes): number {
  return Math.ceil((State.EXAMPLES + 2 * sizes.examples * slotBytes(sizes)) / 8) * 8;
}

/** Writes states of no values at all. */
export function clearStates(bytes: Uint8Array, sizes: ExampleSizes): void {
  bytes.fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [each, slot] = [stateBytes(sizes), slotBytes(sizes)];
  for (let state = 0; state < bytes.length; state += each) {
    view.setFloat32(state + State.MIN, Number.POSITIVE_INFINITY, true);
    view.setFloat32(state + State.MAX, Number.NEGATIVE_INFINITY, true);
    view.setInt32(state + State.TOP, FIRST_TOP, true);
    for (let i = 0; i < 2 * sizes.examples; i++) {
      const at = state + State.EXAMPLES + i * slot;
      view.setFloat32(at, i < sizes.examples ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY, true);
      view.setUint32(at + Slot.PROMPT, Slot.EMPTY, true);
    }
  }
}

/**
 * The unit of a direction's sums: a power of two some 256 times its singular value. Values are rounded to multiples
 * of unit · 2⁻⁴⁴, which errs by 2⁻³⁶ of σ at most; what is summed then is summed exactly, as long as Σ |value| stays below
 * 2³¹ units, Σ value² below 2³¹ units², and no value exceeds 2²⁹ units.
 * @param sigma the direction's singular value
 */
export function unitOf(sigma: number): number {
  const exponent = sigma > 0 ? Math.ceil(Math.log2(sigma)) : 0;
  return 2 ** (Math.min(100, Math.max(-60, exponent)) + 8);
}

/** The sum of a direction's exact parts, as an integer of `unit · 2^(−22 · parts)`. */
export function exactSum(parts: readonly number[], unit: number): bigint {
  return parts.reduce((sum, part, i) => {
    const whole = BigInt(part / (unit * STEP ** (i + 1)));
    return sum + (whole << BigInt(22 * (parts.length - 1 - i)));
  }, 0n);
}
