/** A model taken apart: on an engine with its directions, and readable on the host; what everything in this room reads. */
import type { Decomposition } from '../decompose/directions.js';
import type { MaskedModel } from '../forward/masked-model.js';
import type { Kind } from '../models/components.js';
import type { EndWeights, Model } from '../models/weights.js';

export interface TakenApart {
  model: Model;
  decomposition: Decomposition;
  /** With the directions of the kinds that are to be read. */
  running: MaskedModel;
  ends: EndWeights;
}

/** Kinds whose directions write to the stream. */
export function writes(kind: Kind): boolean {
  return kind === 'ov' || kind === 'mlp_out' || kind === 'mlp_down';
}
