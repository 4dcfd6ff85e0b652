/** What one mask vector does on each prompt, next to what the full model does. All figures at the last token. */

import type { TokenPair } from '../formats/token-pairs.js';
import { batchesByLength } from '../forward/passes.js';
import { heed } from '../heed.js';
import { type Changes, lastLogitsOfEach } from '../masks/last-logits.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { type OwnScore, recordOf, SCORES, type Score } from './metrics.js';

/** [prompts] each. NaN where a prompt has no answer (or no distractor) to score. */
export type PromptScores = Record<Score, Float64Array>;

/** What a circuit does, beside what is left without any masked direction: all that faithfulness needs. */
export type CircuitScores = PromptScores & { none_logit_diff: Float64Array };

export function emptyScores(prompts: number): PromptScores {
  return recordOf(SCORES, () => new Float64Array(prompts));
}

/** The scores of some prompts. */
export function someScores(all: PromptScores, indices: readonly number[]): PromptScores {
  return recordOf(SCORES, (name) => Float64Array.from(indices, (index) => all[name][index]!));
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
  call: LongCall & { changes?: Changes | null } = {},
  against?: Float32Array,
): Promise<PromptScores> {
  return (await scoreEach(prepared, [masks], call, against))[0]!;
}

/**
 * The scores of several mask vectors, for less than one after the other: each batch of prompts is made ready once.
 * @returns one for each vector
 */
export async function scoreEach(
  prepared: PreparedPairs,
  all: readonly Float32Array[],
  { signal, onProgress, changes }: LongCall & { changes?: Changes | null } = {},
  against?: Float32Array,
): Promise<PromptScores[]> {
  const { model, pairs } = prepared;
  const each = all.map(() => emptyScores(pairs.length));
  const nVocab = model.architecture.nVocab;
  const total = pairs.length * all.length;
  let done = 0;
  for (const batch of batchesByLength(
    pairs.map(({ clean }) => clean.length),
    prepared.forwardTokens,
  )) {
    await heed(signal);
    const rowsOf = (logits: Float32Array) =>
      batch.map((_, row) => logits.subarray(row * nVocab, (row + 1) * nVocab));
    let references: Reference[] = [];
    for await (const { at, logits } of lastLogitsOfEach(prepared, batch, all, against, { signal, changes })) {
      if (at === -1) {
        references = rowsOf(logits).map(reference);
        continue;
      }
      const scores = each[at]!;
      rowsOf(logits).forEach((row, place) => {
        const index = batch[place]!;
        const [pair, own, full] = [pairs[index]!, distribution(row), references[place]!];
        scores.kl[index] = divergence(full, own);
        scores.exact_match[index] = Number(own.top === full.top);
        for (const [name, score] of entriesOf(OWN)) {
          scores[name][index] = score(pair, own);
          scores[`full_${name}`][index] = score(pair, full);
        }
      });
      done += batch.length;
      onProgress?.({ stage: 'evaluate', done, total });
    }
  }
  return each;
}

interface Distribution {
  logits: Float32Array;
  /** log Σ exp(logit), nats. */
  normaliser: number;
  /** Index of the largest logit. */
  top: number;
}

/** What several are compared with. */
interface Reference extends Distribution {
  probabilities: Float32Array;
}

function distribution(logits: Float32Array): Distribution {
  let top = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[top]!) top = i;
  let total = 0;
  const most = logits[top]!;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i]! - most);
  return { logits, normaliser: logits[top]! + Math.log(total), top };
}

function reference(logits: Float32Array): Reference {
  const own = distribution(logits);
  return { ...own, probabilities: logits.map((logit) => Math.exp(logit - own.normaliser)) };
}

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
function divergence(p: Reference, q: Distribution): number {
  const shift = q.normaliser - p.normaliser;
  let total = 0;
  for (let i = 0; i < p.logits.length; i++)
    total += p.probabilities[i]! * (p.logits[i]! - q.logits[i]! + shift);
  return total;
}

function entriesOf<Key extends string, Value>(record: Record<Key, Value>): [Key, Value][] {
  return Object.entries(record) as [Key, Value][];
}
