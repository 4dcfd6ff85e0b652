/** Where a training is: everything that a resumed one goes on from. */

import { logitOf } from './mask-logits.js';
import { type AdamWState, freshAdamW } from './optimiser.js';

/** Soft masks come first, then masks that the forward pass rounds to 0 or 1. */
export type Phase = 'soft' | 'rounding';

/** Plain arrays and numbers. */
export interface TrainState {
  phase: Phase;
  /** Steps done over both phases. */
  step: number;
  /** Steps done in this phase. */
  phaseStep: number;
  logits: Float32Array;
  optimiser: AdamWState;
  /** Best masks of this phase so far and their validation objective: KL, of an adversary too, + λ·Σm. */
  best: Float32Array;
  bestObjective: number;
  /** Validations since the best one. */
  waited: number;
  /** Masks that the soft phase ended with; empty before. */
  soft: Float32Array;
  /** What the adversary puts back; empty where there is none. */
  shares: Float32Array;
}

/** State at the start of a run. A frozen mask has the logit −∞: its sigmoid is 0, and so is its gradient. */
export function initialState(directions: number, init: number, frozen?: Uint8Array): TrainState {
  const logits = new Float32Array(directions).fill(logitOf(init));
  frozen?.forEach((mark, at) => {
    if (mark) logits[at] = Number.NEGATIVE_INFINITY;
  });
  return {
    phase: 'soft',
    step: 0,
    phaseStep: 0,
    logits,
    optimiser: freshAdamW(directions),
    best: new Float32Array(0),
    bestObjective: Number.POSITIVE_INFINITY,
    waited: 0,
    soft: new Float32Array(0),
    shares: new Float32Array(0),
  };
}
