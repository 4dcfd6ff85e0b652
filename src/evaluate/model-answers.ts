/** How well the model itself does on prompt pairs, before anything is masked. */

import type { Engine } from '../engine/engine.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { batchesByLength, FULL_PASSES } from '../forward/passes.js';
import { Transformer } from '../forward/transformer.js';
import { heed, heeding } from '../heed.js';
import type { Model } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { evenly } from './some-pairs.js';

export interface ModelAnswers {
  /** Pairs that were asked: those with an answer, or some of them. */
  asked: number;
  /** Share on which the likeliest token is one of the answers. */
  accuracy: number;
  /** Share on which the likeliest answer is likelier than every distractor; null where no pair has both. */
  preferred: number | null;
  /** What the model says most often where it says no answer, the commonest first. */
  instead: { id: number; pairs: number }[];
}

/** Tokens that are listed of what the model says instead. */
const LISTED = 3;

/**
 * @param most how many pairs are asked at most; they are taken evenly over all
 * @returns null where no pair has an answer
 */
export async function modelAnswers(
  engine: Engine,
  model: Model,
  pairs: readonly TokenPair[],
  most: number,
  { onProgress, signal }: LongCall = {},
): Promise<ModelAnswers | null> {
  const answered = pairs.filter(({ answers }) => answers.length > 0);
  const count = Math.min(most, answered.length);
  if (count === 0) return null;
  const asked = evenly(answered, count);
  const plain = await Transformer.load(engine, model, { onProgress, signal });
  const { nVocab } = plain.architecture;
  const instead = new Map<number, number>();
  let [right, compared, preferred, done] = [0, 0, 0, 0];
  try {
    for (const batch of batchesByLength(
      asked.map(({ clean }) => clean.length),
      FULL_PASSES.forward,
    )) {
      await heed(signal);
      const prompts = batch.map((index) => asked[index]!.clean);
      const states = await heeding(plain.steps(prompts), signal);
      const logits = plain.logits(states);
      const values = (await logits.data()) as Float32Array;
      states.dispose();
      logits.dispose();
      for (const [row, index] of batch.entries()) {
        const { answers, distractors } = asked[index]!;
        const own = values.subarray(row * nVocab, (row + 1) * nVocab);
        const largest = (ids: Int32Array) => ids.reduce((most, id) => Math.max(most, own[id]!), -Infinity);
        const top = own.reduce((best, value, id) => (value > own[best]! ? id : best), 0);
        if (answers.includes(top)) right++;
        else instead.set(top, (instead.get(top) ?? 0) + 1);
        if (distractors.length === 0) continue;
        compared++;
        if (largest(answers) > largest(distractors)) preferred++;
      }
      done += batch.length;
      onProgress?.({ stage: 'ask', done, total: count });
    }
  } finally {
    plain.dispose();
  }
  return {
    asked: count,
    accuracy: right / count,
    preferred: compared === 0 ? null : preferred / compared,
    instead: [...instead]
      .map(([id, found]) => ({ id, pairs: found }))
      .sort((a, b) => b.pairs - a.pairs || a.id - b.id)
      .slice(0, LISTED),
  };
}
