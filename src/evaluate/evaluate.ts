/** Evaluates masks on prompt pairs: soft and binarised, with intervals and controls. */
import type { MaskLayout } from '../forward/layout.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import type { EvaluateSettings } from '../settings/run-settings.js';
import { bootstrapIntervals } from '../statistics/bootstrap.js';
import { mean, standardDeviation } from '../statistics/summary.js';
import { binarised, type CircuitSize, circuitSize } from './circuit-size.js';
import { constantMask, invertedMask, randomMask, randomMaskByKind, topSigmaMask } from './controls.js';
import { type PromptScores, SCORES, scorePrompts } from './prompt-scores.js';

type Score = (typeof SCORES)[number];

/** Means over prompts; null where no prompt could be scored. */
type Means = Record<Score, number | null>;

export interface MaskMetrics extends Means, CircuitSize {
  /** Prompts. */
  n: number;
  by_kind: ReturnType<typeof circuitSize>['by_kind'];
  /** Bootstrap intervals over prompts, [low, high]. */
  confidence: Record<Score, [number, number] | null>;
}

export interface ControlMetrics {
  /** Directions kept (the mean over seeds where they differ). */
  active: number;
  kl: number | null;
  exact_match: number | null;
  accuracy: number | null;
  logit_diff: number | null;
  prob_diff: number | null;
  /** Standard deviations over seeds; absent for controls without randomness. */
  sd?: Record<'kl' | 'exact_match' | 'accuracy' | 'logit_diff' | 'prob_diff', number | null>;
  seeds?: number;
}

export interface SplitMetrics extends MaskMetrics {
  binarised: MaskMetrics;
  /** The soft masks that the rounding phase began with, as learned and binarised; null where there was none. */
  before_rounding: (MaskMetrics & { binarised: MaskMetrics }) | null;
  /** Under the same replacement rule; those of equal size are as large as the binarised circuit. */
  controls: Record<
    'random' | 'random_by_kind' | 'top_sigma' | 'inverted' | 'all_on' | 'all_off',
    ControlMetrics
  > | null;
}

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
  const hard = binarised(masks, settings.threshold);
  const controls = settings.controlSeeds > 0 ? controlMasks(scorer, hard, masks, settings) : [];
  const { beforeRounding } = settings;
  const total =
    maskVectors(settings.controlSeeds, { wasRounded: beforeRounding !== undefined }) * scorer.length;
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
      ...circuitSize(layout, mask, settings.threshold),
      confidence: bootstrapIntervals<Score>({ ...scores }, settings),
    };
  };
  const metrics: SplitMetrics = {
    ...(await summarise(masks)),
    binarised: await summarise(hard, onCircuitScores),
    before_rounding: beforeRounding
      ? {
          ...(await summarise(beforeRounding)),
          binarised: await summarise(binarised(beforeRounding, settings.threshold)),
        }
      : null,
    controls: null,
  };
  if (controls.length > 0) {
    const entries: [string, ControlMetrics][] = [];
    for (const control of controls) {
      const means: Means[] = [];
      for (const mask of control.masks) means.push(meansOf(await score(mask)));
      entries.push([control.name, summariseControl(control.masks, means)]);
    }
    metrics.controls = Object.fromEntries(entries) as SplitMetrics['controls'];
  }
  return metrics;
}

/**
 * How many mask vectors an evaluation scores.
 * @param masks.wasRounded whether those before a rounding phase are measured as well
 */
export function maskVectors(controlSeeds: number, { wasRounded }: { wasRounded: boolean }): number {
  return 2 + (wasRounded ? 2 : 0) + (controlSeeds > 0 ? 4 + 2 * controlSeeds : 0);
}

function controlMasks(
  { layout, sigma }: PairScorer,
  hard: Float32Array,
  masks: Float32Array,
  { controlSeeds, seed }: EvaluateSettings & { seed: number },
): { name: string; masks: Float32Array[] }[] {
  const active = hard.reduce((sum, mask) => sum + mask, 0);
  const seeded = (label: string, draw: (random: Random) => Float32Array) =>
    Array.from({ length: controlSeeds }, (_, i) => draw(new Random(seed).fork(`${label} ${i}`)));
  return [
    { name: 'random', masks: seeded('random', (random) => randomMask(layout, active, random)) },
    {
      name: 'random_by_kind',
      masks: seeded('random by kind', (random) => randomMaskByKind(layout, hard, random)),
    },
    { name: 'top_sigma', masks: [topSigmaMask(layout, active, sigma)] },
    { name: 'inverted', masks: [invertedMask(masks)] },
    { name: 'all_on', masks: [constantMask(layout, 1)] },
    { name: 'all_off', masks: [constantMask(layout, 0)] },
  ];
}

const CONTROL_SCORES = ['kl', 'exact_match', 'accuracy', 'logit_diff', 'prob_diff'] as const;

function summariseControl(masks: Float32Array[], means: Means[]): ControlMetrics {
  const column = (score: Score) => means.map((entry) => entry[score] ?? Number.NaN);
  const each = <T>(use: (values: number[]) => T) =>
    Object.fromEntries(CONTROL_SCORES.map((score) => [score, use(column(score))])) as Record<
      (typeof CONTROL_SCORES)[number],
      T
    >;
  const active = masks.map((mask) => mask.reduce((sum, value) => sum + value, 0));
  const summary: ControlMetrics = { active: mean(active)!, ...each(mean) };
  return masks.length > 1 ? { ...summary, sd: each(standardDeviation), seeds: masks.length } : summary;
}

function meansOf(scores: PromptScores): Means {
  return Object.fromEntries(SCORES.map((score) => [score, mean(scores[score])])) as Means;
}

/** The content of `metrics.json`. */
export interface Metrics {
  schema_version: 1;
  threshold: number;
  splits: Record<string, SplitMetrics>;
}
