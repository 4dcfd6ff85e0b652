/** Canonical weights: every family and weight form ends in this one layout, and nothing later sees another. */
import type { WeightForm } from '../settings/choices.js';
import type { Architecture } from './architecture.js';
import type { QkSplit } from './qk-split.js';

export type { WeightForm };

/** y = x · weight + bias, for row vectors x. */
export interface Linear {
  /** Input width. */
  rows: number;
  /** Output width. */
  cols: number;
  /** Row-major [rows, cols]. */
  weight: Float32Array;
  /** Length cols; null where the family has none and folding gives none. */
  bias: Float32Array | null;
}

/**
 * One block. Its normalisations have no gain and no bias left: those of what a matrix reads are folded into that
 * matrix, and those of what it writes likewise.
 */
export interface LayerWeights {
  /** [dModel, nHeads·dHead], head h in columns h·dHead … (h+1)·dHead. */
  q: Linear;
  /** [dModel, nKvHeads·dHead]. */
  k: Linear;
  /** [dModel, nKvHeads·dHead]. */
  v: Linear;
  /** [nHeads·dHead, dModel]. */
  o: Linear;
  /** Plain MLP: the first matrix; gated MLP: the up matrix. [dModel, dMlp]. */
  mlpIn: Linear;
  /** Gated MLPs only. [dModel, dMlp]. */
  mlpGate: Linear | null;
  /** [dMlp, dModel]. */
  mlpOut: Linear;
  /**
   * Normalisations of what a matrix writes. Its gain is in the matrix, so what is left is one factor a row: the
   * matrix wrote y, and y/√(Σ_i w_i y_i² + ε) goes on, with the w listed here. Absent: not normalised.
   */
  norms?: {
    /** Of each head's queries and keys, length dHead. */
    query?: Float32Array;
    key?: Float32Array;
    /** Of the attention's and the MLP's output, length dModel. */
    attention?: Float32Array;
    mlp?: Float32Array;
  };
}

export interface EndWeights {
  /** Token embedding, row-major [nVocab, dModel]. */
  embed: Float32Array;
  /** Learned positions, row-major [nPositions, dModel]; null for rotary models. */
  positions: Float32Array | null;
  /** [dModel, nVocab], the final normalisation folded in. */
  unembed: Linear;
}

/**
 * A model opened from disk. Layers are read one at a time when asked for, so that a decomposition
 * of a large model never holds more than it works on.
 */
export interface Model {
  /** Where it was opened, for messages and manifests. */
  path: string;
  architecture: Architecture;
  form: WeightForm;
  qkSplit: QkSplit;
  /** What a reader of the model's figures should know: what was chosen where the folder leaves a choice. */
  notes: readonly string[];
  /** SHA-256 of the weights' content and the architecture, hex. Independent of the weight form. */
  hash(): Promise<string>;
  /** Reads, converts to the weight form and returns block `layer`. */
  layer(layer: number): Promise<LayerWeights>;
  ends(): Promise<EndWeights>;
  close(): Promise<void>;
}
