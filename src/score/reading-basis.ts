/** What coefficients are read with, and what from. */
import type { Kind } from '../models/components.js';

/**
 * What rows of a layer can be read from, each [rows, width]; `keys` is [columns · batch, width]. `queries` and `keys`
 * are what is multiplied, with rotations and norms; `queryRates` [rows, heads] is the factor of the queries' norms.
 */
export type Source =
  | 'attentionInput'
  | 'context'
  | 'mlpInput'
  | 'mlpOutput'
  | 'queries'
  | 'queryRates'
  | 'keys';

/** What directions of a kind are read from; those of QK's strongest key besides: see {@link KeyBasis}. */
export const READ_FROM: Record<Kind, Source> = {
  qk: 'attentionInput',
  ov: 'context',
  mlp_in: 'mlpInput',
  mlp_up: 'mlpInput',
  mlp_gate: 'mlpInput',
  mlp_out: 'mlpOutput',
  mlp_down: 'mlpOutput',
};

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
  /** Angle per column of each rotated pair, and the factor on both; null without rotary positions. */
  rotary: { frequencies: Float64Array; dims: number; scale: number } | null;
}

/** The sources that a basis needs. */
export function sourcesOf({ source, keys }: Pick<ReadingBasis, 'source' | 'keys'>): Source[] {
  if (!keys) return [source];
  return [source, 'queries', 'keys', ...(keys.rate === null ? [] : ['queryRates' as const])];
}
