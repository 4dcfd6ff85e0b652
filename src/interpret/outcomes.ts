/** What changed passes make of prompts, next to what the model itself does: logit differences, KL, next tokens. */

import * as tf from '@tensorflow/tfjs-core';
import type { MaskedModel, MaskedPassOptions } from '../forward/masked-model.js';
import { batchesByLength, FULL_PASSES } from '../forward/passes.js';
import type { KeysValues, Past } from '../forward/past.js';
import { heed } from '../heed.js';
import type { LongCall } from '../progress.js';
import { type Contrast, logitDifference } from './logit-reader.js';
import type { Asked } from './logit-sum.js';

/**
 * A way to run prompts, or what becomes of the normalised last states, [batch, dModel], of the unchanged run.
 * `batch` are the indices of the prompts that run together.
 */
export type Condition =
  | { pass(batch: readonly number[], prompts: readonly Int32Array[]): MaskedPassOptions }
  | { final(batch: readonly number[], states: tf.Tensor2D): tf.Tensor2D };

/** A value a prompt. */
export interface Outcome {
  /** NaN where a prompt has no answer or no distractor. */
  logitDifference: Float64Array;
  /** KL(model ‖ changed), nats. */
  kl: Float64Array;
  /** The likeliest token. */
  top: Int32Array;
  /** Mean probability of each token over prompts, [nVocab]. */
  probabilities: Float64Array;
}

export interface Outcomes {
  before: Outcome;
  /** In the conditions' order. */
  after: Outcome[];
}

/** Runs every prompt as it is and under each condition. */
export async function outcomes(
  running: MaskedModel,
  asked: readonly Asked[],
  conditions: readonly Condition[],
  { atOnce = FULL_PASSES.forward, onProgress, signal }: { atOnce?: number } & LongCall = {},
): Promise<Outcomes> {
  const { nVocab } = running.architecture;
  const empty = (): Outcome => ({
    logitDifference: new Float64Array(asked.length),
    kl: new Float64Array(asked.length),
    top: new Int32Array(asked.length),
    probabilities: new Float64Array(nVocab),
  });
  const found: Outcomes = { before: empty(), after: conditions.map(empty) };
  let done = 0;
  for (const batch of batchesByLength(
    asked.map(({ clean }) => clean.length),
    atOnce,
  )) {
    const prompts = batch.map((index) => asked[index]!.clean);
    // Earlier positions are the same in all passes that change the last ones alone.
    const past = running.runsLastAlone({}) ? [...(running.past(prompts) ?? [])] : [];
    const again = (options: MaskedPassOptions): MaskedPassOptions =>
      past.length > 0 && running.runsLastAlone(options) ? { ...options, past: copied(past) } : options;
    const states = await running.run(prompts, again({}), signal);
    const before = await logitsOf(running, states);
    const known = batch.map((_, row) => logProbabilities(rowOf(before, row, nVocab)));
    const note = (outcome: Outcome, logits: Float32Array) =>
      batch.forEach((index, row) => noteOne(outcome, index, asked, known[row]!, rowOf(logits, row, nVocab)));
    note(found.before, before);
    for (const [at, condition] of conditions.entries()) {
      await heed(signal);
      const changed =
        'final' in condition
          ? tf.tidy(() => condition.final(batch, states))
          : await running.run(prompts, again(condition.pass(batch, prompts)), signal);
      note(found.after[at]!, await logitsOf(running, changed));
      changed.dispose();
      done += batch.length;
      onProgress?.({ stage: 'intervene', done, total: asked.length * conditions.length });
    }
    tf.dispose([states, ...past.flatMap(({ keys, values }) => [keys, values])]);
  }
  return found;
}

/** Logits after the last token of each prompt, [prompts, nVocab]. */
export async function logitsAfter(
  running: MaskedModel,
  prompts: readonly Int32Array[],
  options: MaskedPassOptions = {},
  signal?: AbortSignal,
): Promise<Float32Array> {
  const states = await running.run(prompts, options, signal);
  const logits = await logitsOf(running, states);
  states.dispose();
  return logits;
}

async function logitsOf(running: MaskedModel, states: tf.Tensor2D): Promise<Float32Array> {
  const logits = running.logits(states);
  const data = (await logits.data()) as Float32Array;
  logits.dispose();
  return data;
}

/** A pass disposes of the past that it takes. */
function* copied(past: readonly KeysValues[]): Past {
  for (const { keys, values } of past) yield { keys: tf.clone(keys), values: tf.clone(values) };
}

function rowOf(values: Float32Array, row: number, width: number): Float32Array {
  return values.subarray(row * width, (row + 1) * width);
}

function noteOne(
  outcome: Outcome,
  index: number,
  asked: readonly Asked[],
  before: Float64Array,
  logits: Float32Array,
): void {
  const [p, q] = [before, logProbabilities(logits)];
  let [kl, top] = [0, 0];
  for (let token = 0; token < logits.length; token++) {
    kl += Math.exp(p[token]!) * (p[token]! - q[token]!);
    if (logits[token]! > logits[top]!) top = token;
    outcome.probabilities[token]! += Math.exp(q[token]!) / asked.length;
  }
  outcome.kl[index] = Math.max(0, kl);
  outcome.top[index] = top;
  const contrast = asked[index]!;
  outcome.logitDifference[index] = isContrast(contrast) ? logitDifference(logits, contrast) : Number.NaN;
}

/** Whether there is something to compare. */
function isContrast({ answers, distractors }: Contrast): boolean {
  return answers.length > 0 && distractors.length > 0;
}

export function logProbabilities(logits: Float32Array): Float64Array {
  let top = Number.NEGATIVE_INFINITY;
  for (const logit of logits) top = Math.max(top, logit);
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - top);
  const normaliser = top + Math.log(total);
  return Float64Array.from(logits, (logit) => logit - normaliser);
}
