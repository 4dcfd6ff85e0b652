/** Runs masks on prompt pairs: all of it in this thread, or each batch shared out over workers. */
import type { LossKind } from '../engine/ops/loss.js';
import { type PromptScores, scoreEach } from '../evaluate/prompt-scores.js';
import type { TokenPair } from '../formats/token-pairs.js';
import type { MaskLayout } from '../forward/layout.js';
import type { MaskedModel } from '../forward/masked-model.js';
import type { Replacement } from '../forward/masking-rules.js';
import type { Passes } from '../forward/passes.js';
import { squaredDifferences } from '../masks/coefficient-differences.js';
import { conductance } from '../masks/conductance.js';
import { type Objective, objective } from '../masks/objective.js';
import { totalKl } from '../masks/total-kl.js';
import { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';

export interface MaskRunner {
  readonly layout: MaskLayout;
  /** Singular value of each masked direction, in the layout's order. */
  readonly sigma: Float32Array;
  /** How many threads or processes share a batch: results depend on it, to rounding. */
  readonly workers: number;
  /** Runs the unmasked model on the pairs, which are as `checkPairs` wants them. */
  prepare(
    pairs: readonly TokenPair[],
    options: { replacement: Replacement; seed: number } & LongCall,
  ): Promise<RunnablePairs>;
  close(): Promise<void>;
}

/** Prompt pairs that masks can be run on. */
export interface RunnablePairs {
  readonly length: number;
  /** Some of the pairs, which are not prepared again; what replaces coefficients stays as it is among all. */
  some(indices: readonly number[]): RunnablePairs;
  /** See {@link objective}. */
  objective(
    indices: readonly number[],
    masks: Float32Array,
    loss: LossKind,
    call?: LongCall,
  ): Promise<Objective>;
  /** Mean KL(full ‖ masked) over all of them, nats. */
  kl(masks: Float32Array, call?: LongCall): Promise<number>;
  /** See {@link scoreEach}. */
  scoreEach(all: readonly Float32Array[], call?: LongCall, against?: Float32Array): Promise<PromptScores[]>;
  /** The same of one mask vector. */
  score(masks: Float32Array, call?: LongCall, against?: Float32Array): Promise<PromptScores>;
  /** See {@link conductance}. */
  conductance(loss: LossKind, points: number, call?: LongCall): Promise<Float32Array>;
  /** See {@link squaredDifferences}. */
  differences(call?: LongCall): Promise<Float32Array>;
}

export function runnerInThisThread(model: MaskedModel, { train, forward, keepPast }: Passes): MaskRunner {
  return {
    layout: model.layout,
    sigma: model.sigma,
    workers: 1,
    async prepare(pairs, options) {
      const how = { ...options, keepPast, forwardTokens: forward };
      return runnableInThisThread(await PreparedPairs.prepare(model, pairs, how), train);
    },
    close: async () => model.dispose(),
  };
}

/** @param train positions (padding included) in one pass forward and backward */
export function runnableInThisThread(prepared: PreparedPairs, train: number): RunnablePairs {
  const each = (all: readonly Float32Array[], call?: LongCall, against?: Float32Array) =>
    scoreEach(prepared, all, call, against);
  return {
    length: prepared.length,
    some: (indices) => runnableInThisThread(prepared.some(indices), train),
    objective: (indices, masks, loss, call) => objective(prepared, indices, masks, loss, train, call),
    kl: async (masks, call) => (await totalKl(prepared, masks, call)) / prepared.length,
    scoreEach: each,
    score: async (masks, call, against) => (await each([masks], call, against))[0]!,
    conductance: (loss, points, call) => conductance(prepared, loss, points, train, call),
    differences: (call) => squaredDifferences(prepared, call),
  };
}
