/** What a set of directions does on some prompts: its figures, and their schema. */
import { z } from 'zod';
import { type Denominator, denominatorOf, faithfulnessOf, isToldFromZero } from '../evaluate/faithfulness.js';
import { recordOf, SCORES } from '../evaluate/metrics.js';
import type { PromptScores } from '../evaluate/prompt-scores.js';
import { type BootstrapSettings, bootstrapIntervals } from '../statistics/bootstrap.js';
import { mean } from '../statistics/summary.js';

const number = z.number();
const figure = number.nullable();

export const measuredSet = z.object({
  /** Directions that it keeps. */
  size: number,
  kl: number,
  exact_match: number,
  /** m, mean over prompts; null without distractors. */
  logit_diff: figure,
  /** (m(C) − m(∅)) / (m(M) − m(∅)); null likewise, or where its denominator is not told from 0. */
  f: figure,
  confidence: z.object({ kl: z.tuple([number, number]).nullable() }),
});
export type MeasuredSet = z.infer<typeof measuredSet>;

/**
 * @param none scores of nothing kept on the same prompts
 * @param denominator what f divides by there
 */
export function setOf(
  masks: Float32Array,
  { kl, exact_match, logit_diff }: PromptScores,
  none: PromptScores,
  denominator: Denominator | null,
  settings: BootstrapSettings,
): MeasuredSet {
  const own = mean(logit_diff);
  const defined = own !== null && isToldFromZero(denominator);
  return {
    size: masks.reduce((sum, mask) => sum + mask, 0),
    kl: mean(kl)!,
    exact_match: mean(exact_match)!,
    logit_diff: own,
    f: defined ? faithfulnessOf(own, mean(none.full_logit_diff)!, mean(none.logit_diff)!) : null,
    confidence: bootstrapIntervals({ kl }, settings),
  };
}

/** The figures on some of the prompts; null if they are none. */
export function setOn(
  prompts: readonly number[],
  masks: Float32Array,
  scores: PromptScores,
  none: PromptScores,
  settings: BootstrapSettings,
): MeasuredSet | null {
  if (prompts.length === 0) return null;
  const own = someOf(none, prompts);
  const denominator = denominatorOf({ ...own, none_logit_diff: own.logit_diff }, settings);
  return setOf(masks, someOf(scores, prompts), own, denominator, settings);
}

/** The scores of some of the prompts. */
function someOf(scores: PromptScores, prompts: readonly number[]): PromptScores {
  return recordOf(SCORES, (name) => Float64Array.from(prompts, (prompt) => scores[name][prompt]!));
}
