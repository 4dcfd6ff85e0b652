/** Evaluates masks on prompt pairs: soft and binarised, with intervals and controls. */
import { z } from 'zod';
import type { MaskLayout } from '../forward/layout.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import { bootstrapIntervals } from '../statistics/bootstrap.js';
import { mean, standardDeviation } from '../statistics/summary.js';
import { binarised, circuitSize } from './circuit-size.js';
import { CONTROLS } from './controls.js';
import { MASKED_SCORES, recordOf, SCORES, type Score } from './metrics.js';
import type { ControlMetrics, MaskMetrics, SplitMetrics } from './metrics-file.js';
import { type PromptScores, scorePrompts } from './prompt-scores.js';

export const evaluateSettings = z.strictObject({
  /** A direction is in the circuit if its mask is above this. */
  threshold: z.number().min(0).lt(1),
  /** Draws of each random control; 0: no controls at all. */
  controlSeeds: z.int().min(0).max(1000),
  /** Coverage of the bootstrap intervals. */
  level: z.number().gt(0).lt(1),
  resamples: z.int().positive().max(1e6),
});
export type EvaluateSettings = z.infer<typeof evaluateSettings>;

export const EVALUATE_DEFAULTS: EvaluateSettings = {
  threshold: 0.5,
  controlSeeds: 5,
  level: 0.95,
  resamples: 1000,
};

/** Prompt pairs of a model, and what scores masks on them. */
export interface PairScorer {
  layout: MaskLayout;
  /** Singular value of each direction, in the layout's order. */
  sigma: Float32Array;
  /** Number of pairs. */
  length: number;
  score(masks: Float32Array, call: LongCall): Promise<PromptScores>;
}

/** Scores in this thread. */
export function scorerOf(prepared: PreparedPairs): PairScorer {
  const { layout, sigma } = prepared.model;
  const score = (masks: Float32Array, call: LongCall) => scorePrompts(prepared, masks, call);
  return { layout, sigma, length: prepared.length, score };
}

export interface EvaluateCall extends LongCall {
  /** Called once, with what the circuit (the masks binarised) does on each prompt. */
  onCircuitScores?: (scores: PromptScores) => Promise<void> | void;
}

/**
 * @param masks flat mask vector in the scorer's layout
 * @param settings.beforeRounding soft masks that a rounding phase turned into `masks`, to be measured as well
 */
export async function evaluateMasks(
  scorer: PairScorer,
  masks: Float32Array,
  settings: EvaluateSettings & { seed: number; beforeRounding?: Float32Array },
  { onProgress, signal, onCircuitScores }: EvaluateCall = {},
): Promise<SplitMetrics> {
  const { layout } = scorer;
  const { threshold, beforeRounding } = settings;
  const total = maskVectors(settings, beforeRounding !== undefined) * scorer.length;
  let done = 0;
  const score = async (mask: Float32Array): Promise<PromptScores> => {
    const scores = await scorer.score(mask, {
      signal,
      onProgress: (event) => onProgress?.({ ...event, done: done + event.done, total }),
    });
    done += scorer.length;
    return scores;
  };
  const summarise = async (
    mask: Float32Array,
    onScores?: EvaluateCall['onCircuitScores'],
  ): Promise<MaskMetrics> => {
    const scores = await score(mask);
    await onScores?.(scores);
    return {
      n: scorer.length,
      ...meansOf(scores),
      ...circuitSize(layout, mask, threshold),
      confidence: bootstrapIntervals<Score>(scores, settings),
    };
  };
  const hard = binarised(masks, threshold);
  return {
    ...(await summarise(masks)),
    binarised: await summarise(hard, onCircuitScores),
    before_rounding: beforeRounding
      ? {
          ...(await summarise(beforeRounding)),
          binarised: await summarise(binarised(beforeRounding, threshold)),
        }
      : null,
    controls:
      settings.controlSeeds > 0
        ? await controlsOf({ ...scorer, masks, binarised: hard }, settings, score)
        : null,
  };
}

/** How many mask vectors an evaluation scores. */
export function maskVectors({ controlSeeds }: EvaluateSettings, rounded: boolean): number {
  const controls = CONTROLS.reduce((sum, control) => sum + draws(control, controlSeeds), 0);
  return (rounded ? 4 : 2) + (controlSeeds > 0 ? controls : 0);
}

function draws(control: (typeof CONTROLS)[number], controlSeeds: number): number {
  return 'drawn' in control ? controlSeeds : 1;
}

async function controlsOf(
  circuit: Parameters<(typeof CONTROLS)[number]['make']>[0],
  { seed, controlSeeds }: EvaluateSettings & { seed: number },
  score: (mask: Float32Array) => Promise<PromptScores>,
): Promise<SplitMetrics['controls']> {
  const metrics: Partial<NonNullable<SplitMetrics['controls']>> = {};
  for (const control of CONTROLS) {
    const masks = Array.from({ length: draws(control, controlSeeds) }, (_, i) =>
      control.make(circuit, new Random(seed).fork(`${control.key.replaceAll('_', ' ')} ${i}`)),
    );
    const means: Record<Score, number | null>[] = [];
    for (const mask of masks) means.push(meansOf(await score(mask)));
    metrics[control.key] = controlMetrics(masks, means);
  }
  return metrics as SplitMetrics['controls'];
}

function controlMetrics(masks: Float32Array[], means: Record<Score, number | null>[]): ControlMetrics {
  const each = (use: (values: number[]) => number | null) =>
    recordOf(MASKED_SCORES, (score) => use(means.map((entry) => entry[score] ?? Number.NaN)));
  const active = masks.map((mask) => mask.reduce((sum, value) => sum + value, 0));
  const summary = { active: mean(active)!, ...each(mean) };
  return masks.length > 1 ? { ...summary, sd: each(standardDeviation), seeds: masks.length } : summary;
}

function meansOf(scores: PromptScores): Record<Score, number | null> {
  return recordOf(SCORES, (score) => mean(scores[score]));
}
