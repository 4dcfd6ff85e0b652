/** What one mask vector does on each prompt, next to what the full model does. All figures at the last token. */

import type { TokenPair } from '../formats/token-pairs.js';
import { batchesByLength } from '../forward/passes.js';
import { heed } from '../heed.js';
import { type Changes, lastLogits } from '../masks/last-logits.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { type ComparingScore, type OwnScore, recordOf, SCORES, type Score } from './metrics.js';

/** [prompts] each. NaN where a prompt has no answer (or no distractor) to score. */
export type PromptScores = Record<Score, Float64Array>;

/** What a circuit does, beside what is left without any masked direction: all that faithfulness needs. */
export type CircuitScores = PromptScores & { none_logit_diff: Float64Array };

export function emptyScores(prompts: number): PromptScores {
  return recordOf(SCORES, () => new Float64Array(prompts));
}

/** Writes the scores of some prompts to their places among all. */
export function setScores(all: PromptScores, indices: readonly number[], some: PromptScores): void {
  for (const name of SCORES)
    indices.forEach((index, at) => {
      all[name][index] = some[name][at]!;
    });
}

/**
 * @param masks flat mask vector, [directions]
 * @param against masks that take the full model's place in all scores; the full model itself where absent
 */
export async function scorePrompts(
  prepared: PreparedPairs,
  masks: Float32Array,
  { signal, onProgress, changes }: LongCall & { changes?: Changes | null } = {},
  against?: Float32Array,
): Promise<PromptScores> {
  const { model, pairs } = prepared;
  const scores = emptyScores(pairs.length);
  const nVocab = model.architecture.nVocab;
  let done = 0;
  for (const batch of batchesByLength(
    pairs.map(({ clean }) => clean.length),
    prepared.forwardTokens,
  )) {
    await heed(signal);
    const { full, masked } = await lastLogits(prepared, batch, masks, against, { signal, changes });
    batch.forEach((index, row) => {
      const pair = pairs[index]!;
      const own = distribution(masked.subarray(row * nVocab, (row + 1) * nVocab));
      const reference = distribution(full.subarray(row * nVocab, (row + 1) * nVocab));
      for (const [name, score] of entriesOf(COMPARING)) scores[name][index] = score(reference, own);
      for (const [name, score] of entriesOf(OWN)) {
        scores[name][index] = score(pair, own);
        scores[`full_${name}`][index] = score(pair, reference);
      }
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

const COMPARING: Record<ComparingScore, (full: Distribution, masked: Distribution) => number> = {
  kl: divergence,
  exact_match: (full, masked) => Number(masked.top === full.top),
};

const OWN: Record<OwnScore, (pair: TokenPair, distribution: Distribution) => number> = {
  accuracy: ({ answers }, { top }) => (answers.length > 0 ? Number(answers.includes(top)) : Number.NaN),
  logit_diff: (pair, { logits }) =>
    contrast(pair, (ids) => ids.reduce((total, id) => total + logits[id]!, 0) / ids.length),
  prob_diff: (pair, { logits, normaliser }) =>
    contrast(pair, (ids) => ids.reduce((total, id) => total + Math.exp(logits[id]! - normaliser), 0)),
};

/** What answers have more of than distractors. */
function contrast({ answers, distractors }: TokenPair, of: (ids: Int32Array) => number): number {
  return answers.length > 0 && distractors.length > 0 ? of(answers) - of(distractors) : Number.NaN;
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

function entriesOf<Key extends string, Value>(record: Record<Key, Value>): [Key, Value][] {
  return Object.entries(record) as [Key, Value][];
}
