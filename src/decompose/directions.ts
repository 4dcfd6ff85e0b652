/** The directions of one component: singular, unless another basis is asked for. */
import type { Component, Ranks } from '../models/components.js';

/**
 * W = u · diag(s) · vt. Rows of W are inputs (bias row first), columns outputs. For rotary QK, W is the query
 * factor times the key metric's square root, and vt lies in head space (docs/maths.md, "Rotary positions").
 */
export interface Directions {
  component: Component;
  /** Row-major [rows, rank]: column k is u_k. */
  u: Float32Array;
  /** [rank], descending. Nearly equal ones belong together, see `clusters` in kernels/thin-svd.ts. */
  s: Float32Array;
  /** Row-major [rank, cols]: row k is v_k. */
  vt: Float32Array;
  /**
   * Of a head whose other side is not orthonormal, what a direction is between the head's two matrices; without it
   * that follows from v (OV) or u (rotary QK). OV: [dHead, one more with an output bias, rank], and σ_k u_k is
   * [[b_V, 1], [W_V, 0]] times column k. Rotary QK: [rank, dHead], and [b_Q; W_Q] = Σ_k u_k row_k.
   */
  head?: Float32Array;
}

/** A decomposed model: directions are loaded when asked for. */
export interface Decomposition {
  /** Identity: hash of weights, weight form, components, number format and code version. */
  key: string;
  /** Layers that had to be computed; the others were in the store. */
  computed: number;
  /** Of components that have another number of directions than their matrix has ranks. */
  ranks?: Ranks;
  /**
   * The components of a layer that were decomposed, by name.
   * @param only names of those that are needed; the others may be left out
   */
  layer(layer: number, only?: readonly string[]): Promise<Map<string, Directions>>;
}
