/** The singular directions of one component. */
import type { Component } from '../models/components.js';

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
}

/** A decomposed model: directions are loaded when asked for. */
export interface Decomposition {
  /** Identity: hash of weights, weight form, components, number format and code version. */
  key: string;
  /** Layers that had to be computed; the others were in the store. */
  computed: number;
  /**
   * The components of a layer that were decomposed, by name.
   * @param only names of those that are needed; the others may be left out
   */
  layer(layer: number, only?: readonly string[]): Promise<Map<string, Directions>>;
}
