/** Evaluates masks on prompt pairs: soft and binarised, with intervals and controls. */
import type { MaskLayout } from '../forward/layout.js';
import type { Component } from '../models/components.js';
import type { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { LongCall } from '../progress.js';
import { Random } from '../random.js';
import type { EvaluateSettings } from '../settings/run-settings.js';
import { bootstrapIntervals } from '../statistics/bootstrap.js';
import { mean, standardDeviation } from '../statistics/summary.js';
import type { AttackMetrics } from './attack-figures.js';
import { binarised, circuitSize } from './circuit-size.js';
import { type Circuit, CONTROLS, noneKept } from './controls.js';
import { denominatorOf, faithfulnessInterval, faithfulnessOf, isToldFromZero } from './faithfulness.js';
import { MASKED_MEASURES, type Measure, recordOf, SCORES, type Score } from './metrics.js';
import type { ControlMetrics, SplitMetrics } from './metrics-file.js';
import { type CircuitScores, type PromptScores, scorePrompts } from './prompt-scores.js';

/** Prompt pairs of a model, and what scores masks on them. */
export interface PairScorer {
  layout: MaskLayout;
  /** Singular value of each direction, in the layout's order. */
  sigma: Float32Array;
  /** Components that have masks; the layout's other ones run whole and are not counted. All of them where absent. */
  masked?: readonly Component[];
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
  onCircuitScores?: (scores: CircuitScores) => Promise<void> | void;
  /** Attacks the circuit in the end; nobody does where absent. */
  attack?: (circuit: Circuit, call: LongCall) => Promise<AttackMetrics>;
}

/**
 * @param masks flat mask vector in the scorer's layout
 * @param settings.beforeRounding soft masks that a rounding phase turned into `masks`, to be measured as well
 */
export async function evaluateMasks(
  scorer: PairScorer,
  masks: Float32Array,
  settings: EvaluateSettings & { seed: number; beforeRounding?: Float32Array },
  { onProgress, signal, onCircuitScores, attack }: EvaluateCall = {},
): Promise<Omit<SplitMetrics, 'source' | 'hash'>> {
  const { layout } = scorer;
  const { threshold, beforeRounding, controlSeeds } = settings;
  const hard = binarised(masks, threshold);
  const isBinary = masks.every((mask, i) => mask === hard[i]);
  const total = maskVectors(controlSeeds, { isBinary, wasRounded: beforeRounding !== undefined });
  let done = 0;
  const score = async (mask: Float32Array): Promise<PromptScores> => {
    const scores = await scorer.score(mask, {
      signal,
      onProgress: (event) =>
        onProgress?.({ ...event, done: done + event.done, total: total * scorer.length }),
    });
    done += scorer.length;
    return scores;
  };
  const circuit = { ...scorer, masked: scorer.masked ?? layout.components, masks, binarised: hard };
  const none = await score(noneKept(circuit));
  const denominator = denominatorOf({ ...none, none_logit_diff: none.logit_diff }, settings);
  const measuresOf = (scores: PromptScores): Record<Measure, number | null> => {
    const means = recordOf(SCORES, (name) => mean(scores[name]));
    const [own, full, least] = [means.logit_diff, means.full_logit_diff, mean(none.logit_diff)];
    const defined = isToldFromZero(denominator) && own !== null && full !== null && least !== null;
    return { ...means, faithfulness: defined ? faithfulnessOf(own, full, least) : null };
  };
  const summarise = async (mask: Float32Array, onScores?: EvaluateCall['onCircuitScores']) => {
    const scores = { ...(await score(mask)), none_logit_diff: none.logit_diff };
    await onScores?.(scores);
    const measured = measuresOf(scores);
    const interval = measured.faithfulness === null ? null : faithfulnessInterval(scores, settings);
    return {
      n: scorer.length,
      ...measured,
      ...circuitSize(layout, mask, threshold, circuit.masked),
      confidence: { ...bootstrapIntervals<Score>(scores, settings), faithfulness: interval },
    };
  };
  const summary = await summarise(hard, onCircuitScores);
  return {
    ...(isBinary ? summary : await summarise(masks)),
    binarised: summary,
    before_rounding: beforeRounding
      ? {
          ...(await summarise(beforeRounding)),
          binarised: await summarise(binarised(beforeRounding, threshold)),
        }
      : null,
    denominator,
    controls:
      controlSeeds > 0
        ? await controlsOf(circuit, settings, async (mask, { key }) => {
            return measuresOf(key === 'all_off' ? none : await score(mask));
          })
        : null,
    attack: attack ? await attack(circuit, { onProgress, signal }) : null,
  };
}

/**
 * How many mask vectors an evaluation scores.
 * @param masks.isBinary whether the masks are all 0 or 1, and so their own circuit
 * @param masks.wasRounded whether those before a rounding phase are measured as well
 */
export function maskVectors(
  controlSeeds: number,
  { isBinary, wasRounded }: { isBinary: boolean; wasRounded: boolean },
): number {
  const controls = CONTROLS.reduce((sum, control) => sum + draws(control, controlSeeds), 0);
  // That of none kept is always scored: faithfulness needs it.
  return 1 + (isBinary ? 1 : 2) + (wasRounded ? 2 : 0) + (controlSeeds > 0 ? controls - 1 : 0);
}

type Control = (typeof CONTROLS)[number];

function draws(control: Control, controlSeeds: number): number {
  return 'drawn' in control ? controlSeeds : 1;
}

async function controlsOf(
  circuit: Circuit,
  { seed, controlSeeds }: EvaluateSettings & { seed: number },
  measure: (mask: Float32Array, control: Control) => Promise<Record<Measure, number | null>>,
): Promise<SplitMetrics['controls']> {
  const metrics: Partial<NonNullable<SplitMetrics['controls']>> = {};
  for (const control of CONTROLS) {
    const masks = Array.from({ length: draws(control, controlSeeds) }, (_, i) =>
      control.make(circuit, new Random(seed).fork(`${control.key.replaceAll('_', ' ')} ${i}`)),
    );
    const measured: Record<Measure, number | null>[] = [];
    for (const mask of masks) measured.push(await measure(mask, control));
    const sizes = masks.map((mask) => circuitSize(circuit.layout, mask, 0, circuit.masked).l1);
    metrics[control.key] = controlMetrics(sizes, measured);
  }
  return metrics as SplitMetrics['controls'];
}

function controlMetrics(sizes: number[], measured: Record<Measure, number | null>[]): ControlMetrics {
  const each = (use: (values: number[]) => number | null) =>
    recordOf(MASKED_MEASURES, (measure) => use(measured.map((draw) => draw[measure] ?? Number.NaN)));
  const summary = { active: mean(sizes)!, ...each(mean) };
  return sizes.length > 1 ? { ...summary, sd: each(standardDeviation), seeds: sizes.length } : summary;
}
