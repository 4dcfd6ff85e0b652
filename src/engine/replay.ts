/** The same computation over and over, on other values: an engine may record it once and play it back from then on. */
import type * as tf from '@tensorflow/tfjs-core';

/** Names a computation: every choice that decides what it does, and that its inputs' shapes do not show. */
export type ReplayKey = Readonly<Record<string, string | number>>;

export interface Replays {
  /**
   * @param key with the shapes of `inputs`, names the computation: where both are the same, so is all that `compute`
   * does with the engine, but for the values of `inputs`
   * @param inputs every tensor that `compute` reads and that is not the same in each call, made from host arrays for this
   * one; the caller's, who may dispose of them afterwards
   * @param compute reads no tensor back
   * @returns what `compute` returns, or would; valid until the next call with the same key
   */
  run(key: ReplayKey, inputs: readonly tf.Tensor[], compute: () => tf.Tensor[]): tf.Tensor[];
  /** Frees what was recorded. */
  dispose(): void;
}
