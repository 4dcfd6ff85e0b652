/** What one mask vector does on each prompt, next to what the full model does. All figures at the last token. */
import { throwIfAborted } from '../errors.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { batchesByLength } from '../forward/passes.js';
import { lastLogits } from '../masks/last-logits.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';

/** NaN where a prompt has no answer (or no distractor) to score. */
export interface PromptScores {
  /** KL(full ‖ masked), nats. */
  kl: Float64Array;
  /** 1 if both models' likeliest tokens agree. */
  exact_match: Float64Array;
  /** 1 if the likeliest token is one of the answers. */
  accuracy: Float64Array;
  full_accuracy: Float64Array;
  /** Mean logit of the answers minus that of the distractors. */
  logit_diff: Float64Array;
  full_logit_diff: Float64Array;
  /** Probability of the answers minus that of the distractors. */
  prob_diff: Float64Array;
  full_prob_diff: Float64Array;
}

export const SCORES = [
  'kl',
  'exact_match',
  'accuracy',
  'full_accuracy',
  'logit_diff',
  'full_logit_diff',
  'prob_diff',
  'full_prob_diff',
] as const satisfies (keyof PromptScores)[];

export function emptyScores(prompts: number): PromptScores {
  const entries = SCORES.map((name) => [name, new Float64Array(prompts)]);
  return Object.fromEntries(entries) as PromptScores;
}

/** Writes the scores of some prompts to their places among all. */
export function setScores(all: PromptScores, indices: readonly number[], some: PromptScores): void {
  for (const name of SCORES)
    indices.forEach((index, at) => {
      all[name][index] = some[name][at]!;
    });
}

/** @param masks flat mask vector, [directions] */
export async function scorePrompts(
  prepared: PreparedPairs,
  masks: Float32Array,
  { signal, onProgress }: LongCall = {},
): Promise<PromptScores> {
  const { model, pairs } = prepared;
  const scores = emptyScores(pairs.length);
  const nVocab = model.architecture.nVocab;
  let done = 0;
  for (const batch of batchesByLength(
    pairs.map(({ clean }) => clean.length),
    prepared.forwardTokens,
  )) {
    throwIfAborted(signal);
    const { full, masked } = await lastLogits(prepared, batch, masks);
    batch.forEach((index, row) => {
      const own = distribution(masked.subarray(row * nVocab, (row + 1) * nVocab));
      const reference = distribution(full.subarray(row * nVocab, (row + 1) * nVocab));
      scores.kl[index] = divergence(reference, own);
      scores.exact_match[index] = Number(own.top === reference.top);
      scoreAnswers(pairs[index]!, own, (name, value) => {
        scores[name][index] = value;
      });
      scoreAnswers(pairs[index]!, reference, (name, value) => {
        scores[`full_${name}`][index] = value;
      });
    });
    done += batch.length;
    onProgress?.({ stage: 'evaluate', done, total: pairs.length });
  }
  return scores;
}

interface Distribution {
  logits: Float32Array;
  /** log Σ exp(logit), nats. */
  normaliser: number;
  /** Index of the largest logit. */
  top: number;
}

function distribution(logits: Float32Array): Distribution {
  let top = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[top]!) top = i;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - logits[top]!);
  return { logits, normaliser: logits[top]! + Math.log(total), top };
}

/** KL(p ‖ q) in nats. */
function divergence(p: Distribution, q: Distribution): number {
  let total = 0;
  for (let i = 0; i < p.logits.length; i++) {
    const logP = p.logits[i]! - p.normaliser;
    total += Math.exp(logP) * (logP - (q.logits[i]! - q.normaliser));
  }
  return total;
}

function scoreAnswers(
  { answers, distractors }: TokenPair,
  { logits, normaliser, top }: Distribution,
  set: (name: 'accuracy' | 'logit_diff' | 'prob_diff', value: number) => void,
): void {
  const probability = (ids: Int32Array) =>
    ids.reduce((total, id) => total + Math.exp(logits[id]! - normaliser), 0);
  const meanLogit = (ids: Int32Array) => ids.reduce((total, id) => total + logits[id]!, 0) / ids.length;
  const contrasted = answers.length > 0 && distractors.length > 0;
  set('accuracy', answers.length > 0 ? Number(answers.includes(top)) : Number.NaN);
  set('logit_diff', contrasted ? meanLogit(answers) - meanLogit(distractors) : Number.NaN);
  set('prob_diff', contrasted ? probability(answers) - probability(distractors) : Number.NaN);
}
