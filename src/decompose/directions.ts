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
  /** [rank], descending. */
  s: Float32Array;
  /** Row-major [rank, cols]: row k is v_k. */
  vt: Float32Array;
}

/** A decomposed model: directions are loaded a layer at a time. */
export interface Decomposition {
  /** Identity: hash of weights, weight form, components and code version. */
  key: string;
  /** Layers that had to be computed; the others were in the store. */
  computed: number;
  /** All components of a layer that were decomposed, by name. */
  layer(layer: number): Promise<Map<string, Directions>>;
}
