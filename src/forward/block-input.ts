/** What a block of the forward pass needs besides the stream. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Heads } from '../engine/ops/attention.js';
import type { RotaryTable } from '../engine/ops/rotary.js';
import type { Architecture } from '../models/architecture.js';
import type { LayerBases } from './bases.js';
import type { Positions } from './masking-rules.js';
import type { KeysValues } from './past.js';
import type { BlockHooks } from './places.js';
import type { PlainLayer } from './plain-layer.js';

export interface BlockInput {
  architecture: Architecture;
  layer: number;
  weights: PlainLayer & LayerBases;
  hooks: BlockHooks;
  /** At which positions OV and MLP coefficients have their places. */
  positions: Positions;
  /** Whether the last position alone is computed: no later block reads the others. */
  lastOnly: boolean;
  /** Whether the pass will be pulled back. */
  trace: boolean;
  /** Whether somebody wants keys and values, the past's among them. */
  keysWanted: boolean;
  /** Of the positions before those of the stream; null where it begins at the first. Not disposed by the block. */
  past: KeysValues<Heads> | null;
  /** Whether the past is to have gradients. */
  pastMoves: boolean;
  /** [1, batch or 1, positions of the stream, past ones and those]: added to the attention scores. */
  attentionBias: tf.Tensor4D;
  rotary: RotaryTable | null;
}
