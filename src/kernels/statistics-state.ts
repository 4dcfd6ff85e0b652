/**
 * The running statistics of one direction as bytes, the same in WebAssembly, in its reference and on disk.
 * Two states of the same direction merge to exactly what one pass over all values leaves behind.
 */

/** Offsets in bytes, little-endian; assembly/statistics.ts has the same. */
export const STATE = {
  /** f64: number of values. */
  count: 0,
  /** 2 × f64: the sum in multiples of unit · 2⁻²² and of unit · 2⁻⁴⁴. */
  sum: 8,
  /** 4 × f64: the sum of squares in multiples of unit² · 2⁻²², 2⁻⁴⁴, 2⁻⁶⁶ and 2⁻⁸⁸. */
  squares: 24,
  /** f32. */
  min: 56,
  max: 60,
  /** i32: magnitude of the largest value, the last one of the window. */
  top: 64,
  /** u32: values whose magnitude is below the window. */
  nearZero: 68,
  /** f64: Σ (position − key's position). */
  distance: 72,
  /** 2 × f64: Σ score · sign(logit), in parts as `sum`. */
  share: 80,
  /** 2 × f64: Σ |logit|, in multiples of 2⁻² and 2⁻²⁴. */
  logit: 96,
  /** 192 × u32 each: values by sign and magnitude, ascending; the last one has the magnitude `top`. */
  negative: 112,
  positive: 112 + 4 * 192,
  /** Slots of examples: the largest, then the smallest values. */
  examples: 112 + 8 * 192,
} as const;

/** Magnitudes in the window of a histogram: twelve octaves of sixteen. */
export const MAGNITUDES = 192;

/** Where the window ends before any value: low, and just so that zero lies below it. */
const FIRST_TOP = 192;

/** Offsets within an example's slot, in bytes; then the tokens (i32) and values (f32) of its context. */
export const SLOT = { value: 0, prompt: 4, position: 8, key: 12, logit: 16, context: 20 } as const;

/** Stands for the prompt of an empty slot. */
export const NOBODY = 0xffffffff;

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
  return SLOT.context + 8 * context;
}

/** Bytes of one direction's state, a multiple of eight. */
export function stateBytes(sizes: ExampleSizes): number {
  return Math.ceil((STATE.examples + 2 * sizes.examples * slotBytes(sizes)) / 8) * 8;
}

/** Writes states of no values at all. */
export function clearStates(bytes: Uint8Array, sizes: ExampleSizes): void {
  bytes.fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [each, slot] = [stateBytes(sizes), slotBytes(sizes)];
  for (let state = 0; state < bytes.length; state += each) {
    view.setFloat32(state + STATE.min, Number.POSITIVE_INFINITY, true);
    view.setFloat32(state + STATE.max, Number.NEGATIVE_INFINITY, true);
    view.setInt32(state + STATE.top, FIRST_TOP, true);
    for (let i = 0; i < 2 * sizes.examples; i++) {
      const at = state + STATE.examples + i * slot;
      view.setFloat32(at, i < sizes.examples ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY, true);
      view.setUint32(at + SLOT.prompt, NOBODY, true);
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
