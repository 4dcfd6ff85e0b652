/**
 * Where things lie in the memory that kernels and host share, by byte, little-endian. Both compilers read this file, the
 * one for WebAssembly and the one for Node: each offset is said once.
 */

/** The running statistics of one direction. Sums are held in parts, see assembly/statistics.ts. */
export namespace State {
  /** f64: number of values. */
  export const COUNT = 0;
  /** 2 × f64: the sum in multiples of unit · 2⁻²² and of unit · 2⁻⁴⁴. */
  export const SUM = 8;
  /** 4 × f64: the sum of squares in multiples of unit² · 2⁻²², 2⁻⁴⁴, 2⁻⁶⁶ and 2⁻⁸⁸. */
  export const SQUARES = 24;
  /** f32. */
  export const MIN = 56;
  export const MAX = 60;
  /** i32: magnitude of the largest value, the last one of the histogram's window. */
  export const TOP = 64;
  /** u32: values whose magnitude is below the window. */
  export const NEAR_ZERO = 68;
  /** f64: Σ (position − key's position). */
  export const DISTANCE = 72;
  /** 2 × f64: Σ score · sign(logit), in parts as `SUM`. */
  export const SHARE = 80;
  /** 2 × f64: Σ |logit|, in multiples of 2⁻² and 2⁻²⁴. */
  export const LOGIT = 96;
  /** Magnitudes in the window: twelve octaves of sixteen. */
  export const MAGNITUDES = 192;
  /** 192 × u32 each: values by sign and magnitude, ascending; the last one has the magnitude at `TOP`. */
  export const NEGATIVE = 112;
  export const POSITIVE = 880;
  /** Two lists of examples: the largest, then the smallest values. */
  export const EXAMPLES = 1648;
}

/** An example. */
export namespace Slot {
  /** f32. */
  export const VALUE = 0;
  /** u32: line of the record, or `EMPTY`. */
  export const PROMPT = 4;
  /** i32. */
  export const POSITION = 8;
  /** i32: position of the strongest key; −1 where there are no keys. */
  export const KEY = 12;
  /** f32: the attention logit there. */
  export const LOGIT = 16;
  /** The tokens (i32) of its context, then the values (f32) at them. */
  export const CONTEXT = 20;
  /** Stands for the prompt of an empty slot. */
  export const EMPTY = 0xffffffff;
}

/** A row that is read: fields of i32. */
export namespace Row {
  /** Line of the record. */
  export const PROMPT = 0;
  /** Of its token in the prompt. */
  export const POSITION = 4;
  /** Index of its token in the batch's tokens. */
  export const TOKEN = 8;
  /** Tokens of its passage before it. */
  export const BEFORE = 12;
  /** Scored rows of its passage before it. */
  export const SCORED = 16;
  export const BYTES = 20;
}

/** A passage of a batch, padded on the left to the batch's columns: fields of i32. */
export namespace Passage {
  /** First column with a token. */
  export const FIRST = 0;
  /** First column that is scored. */
  export const SCORED = 4;
  /** Row of that column. */
  export const ROW = 8;
  /** Position − column. */
  export const SHIFT = 12;
  export const BYTES = 16;
}

/** Activation functions, as operations are told which. */
export namespace Activation {
  export const RELU = 0;
  export const SILU = 1;
  export const GELU_NEW = 2;
  export const GELU = 3;
}
