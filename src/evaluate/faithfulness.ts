/**
 * Normalised faithfulness of a circuit C of a model M: f = (m(C) − m(∅)) / (m(M) − m(∅)), m the mean logit difference
 * over prompts and ∅ every masked direction replaced (src/statistics/faithfulness.ts, where it is explained why it is a
 * ratio of means).
 */
import { type BootstrapSettings, bootstrapIntervals, ratioOfMeans } from '../statistics/bootstrap.js';
import { countNearZero } from '../statistics/faithfulness.js';
import { mean } from '../statistics/summary.js';
import type { CircuitScores } from './prompt-scores.js';

type LogitDiffs = Pick<CircuitScores, 'logit_diff' | 'full_logit_diff' | 'none_logit_diff'>;

/** f of mean logit differences. */
export function faithfulnessOf(circuit: number, full: number, none: number): number {
  return (circuit - none) / (full - none);
}

/** Bootstrap interval of f over the prompts that have a logit difference. */
export function faithfulnessInterval(
  { logit_diff: circuit, full_logit_diff: full, none_logit_diff: none }: LogitDiffs,
  settings: BootstrapSettings,
): [number, number] {
  return ratioOfMeans(above(none, circuit), above(none, full), settings).percentile;
}

/** What f divides by. */
export interface Denominator {
  /** m(M) − m(∅). */
  mean: number;
  confidence: [number, number];
  /** Prompts on which it is below a tenth of its mean. */
  near_zero: number;
}

/** Null without distractors. */
export function denominatorOf(
  { full_logit_diff: full, none_logit_diff: none }: Omit<LogitDiffs, 'logit_diff'>,
  settings: BootstrapSettings,
): Denominator | null {
  const differences = above(none, full);
  if (differences.length === 0) return null;
  const { confidence } = bootstrapIntervals({ confidence: differences }, settings);
  return { mean: mean(differences)!, confidence: confidence!, near_zero: countNearZero(differences) };
}

/** Whether the denominator is told apart from 0: otherwise f could be anything. */
export function isToldFromZero(denominator: Denominator | null): boolean {
  return denominator !== null && denominator.confidence[0] * denominator.confidence[1] > 0;
}

/** How far each prompt that has both lies above `none`. */
function above(none: Float64Array, scores: Float64Array): Float64Array {
  return scores.map((value, i) => value - none[i]!).filter((value) => !Number.isNaN(value));
}
