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
import { type Circuit, CONTROLS, type ControlName, noneKept } from './controls.js';
import { denominatorOf, faithfulnessInterval, faithfulnessOf, isToldFromZero } from './faithfulness.js';
import { MASKED_MEASURES, type Measure, recordOf, SCORES, type Score } from './metrics.js';
import type { ControlMetrics, SplitMetrics } from './metrics-file.js';
import { type CircuitScores, type PromptScores, scoreEach, someScores } from './prompt-scores.js';
import { oneOfEachPart } from './some-pairs.js';

/** Prompt pairs of a model, and what scores masks on them. */
export interface PairScorer {
  layout: MaskLayout;
  /** Singular value of each direction, in the layout's order. */
  sigma: Float32Array;
  /** Components that have masks; the layout's other ones run whole and are not counted. All of them where absent. */
  masked?: readonly Component[];
  /** Number of pairs. */
  length: number;
  /** One result for each mask vector. */
  scoreEach(all: readonly Float32Array[], call: LongCall): Promise<PromptScores[]>;
  /** The same of some of the pairs. */
  some(indices: readonly number[]): Pick<PairScorer, 'scoreEach'>;
}

/** Scores in this thread. */
export function scorerOf(prepared: PreparedPairs): PairScorer {
  const { layout, sigma } = prepared.model;
  return {
    ...{ layout, sigma, length: prepared.length },
    scoreEach: (all, call) => scoreEach(prepared, all, call),
    some: (indices) => scorerOf(prepared.some(indices)),
  };
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
  const circuit = { ...scorer, masked: scorer.masked ?? layout.components, masks, binarised: hard };
  const before = beforeRounding && { soft: beforeRounding, hard: binarised(beforeRounding, threshold) };
  const off = noneKept(circuit);
  const controls = controlSeeds > 0 ? controlsOf(circuit, settings) : [];
  const vectors = [off, hard, ...(isBinary ? [] : [masks]), ...(before ? [before.soft, before.hard] : [])];
  // None kept is there already: faithfulness needs it.
  const others = controls.flatMap(({ key, masks }) => (key === 'all_off' ? [] : masks));
  const { scores, chosen } = await scoresOf(scorer, vectors, others, settings, { onProgress, signal });
  const none = scores.get(off)!;
  const onAll = { scores: none, denominator: denominatorBy(none, settings) };
  const { denominator } = onAll;
  const measuresOf = (scores: PromptScores, none = onAll): Record<Measure, number | null> => {
    const means = recordOf(SCORES, (name) => mean(scores[name]));
    const [own, full, least] = [means.logit_diff, means.full_logit_diff, mean(none.scores.logit_diff)];
    const defined = isToldFromZero(none.denominator) && own !== null && full !== null && least !== null;
    return { ...means, faithfulness: defined ? faithfulnessOf(own, full, least) : null };
  };
  // Controls are compared with one another: on the same pairs, none kept as well.
  const ofChosen = chosen && someScores(none, chosen);
  const onChosen = ofChosen ? { scores: ofChosen, denominator: denominatorBy(ofChosen, settings) } : onAll;
  const circuitScores = (mask: Float32Array): CircuitScores => ({
    ...scores.get(mask)!,
    none_logit_diff: none.logit_diff,
  });
  const summarise = (mask: Float32Array) => {
    const own = circuitScores(mask);
    const measured = measuresOf(own);
    const interval = measured.faithfulness === null ? null : faithfulnessInterval(own, settings);
    return {
      n: scorer.length,
      ...measured,
      ...circuitSize(layout, mask, threshold, circuit.masked),
      confidence: { ...bootstrapIntervals<Score>(own, settings), faithfulness: interval },
    };
  };
  await onCircuitScores?.(circuitScores(hard));
  const summary = summarise(hard);
  return {
    ...(isBinary ? summary : summarise(masks)),
    binarised: summary,
    before_rounding: before ? { ...summarise(before.soft), binarised: summarise(before.hard) } : null,
    denominator,
    controls:
      controls.length > 0
        ? controlMetrics(circuit, controls, chosen?.length, (key, mask) =>
            measuresOf(key === 'all_off' ? onChosen.scores : scores.get(mask)!, onChosen),
          )
        : null,
    attack: attack ? await attack(circuit, { onProgress, signal }) : null,
  };
}

/** Scores of masks on all pairs and of controls on at most so many; and on which, where that is not all. */
async function scoresOf(
  scorer: PairScorer,
  own: readonly Float32Array[],
  controls: readonly Float32Array[],
  { controlPairs, seed }: EvaluateSettings & { seed: number },
  { onProgress, signal }: LongCall,
): Promise<{ scores: Map<Float32Array, PromptScores>; chosen: number[] | null }> {
  const { length } = scorer;
  const vectors = [...own, ...controls];
  const byVector = (found: PromptScores[]) => new Map(vectors.map((mask, at) => [mask, found[at]!]));
  if (controls.length === 0 || length <= controlPairs)
    return { scores: byVector(await scorer.scoreEach(vectors, { onProgress, signal })), chosen: null };
  const chosen = oneOfEachPart(length, controlPairs, new Random(seed).fork('control pairs'));
  const [first, second] = [own.length * length, controls.length * controlPairs];
  const part = (before: number, size: number): LongCall => ({
    signal,
    onProgress: (event) => {
      const done = before + Math.round((size * event.done) / event.total);
      onProgress?.({ ...event, done, total: first + second });
    },
  });
  const found = [
    ...(await scorer.scoreEach(own, part(0, first))),
    ...(await scorer.some(chosen).scoreEach(controls, part(first, second))),
  ];
  return { scores: byVector(found), chosen };
}

/** What faithfulness divides by on the pairs that none kept was scored on. */
function denominatorBy(none: PromptScores, settings: EvaluateSettings & { seed: number }) {
  return denominatorOf({ ...none, none_logit_diff: none.logit_diff }, settings);
}

/**
 * How many mask vectors an evaluation scores, on all pairs and as controls.
 * @param masks.isBinary whether the masks are all 0 or 1, and so their own circuit
 * @param masks.wasRounded whether those before a rounding phase are measured as well
 */
export function maskVectors(
  controlSeeds: number,
  { isBinary, wasRounded }: { isBinary: boolean; wasRounded: boolean },
): { all: number; controls: number } {
  const controls = CONTROLS.reduce((sum, control) => sum + draws(control, controlSeeds), 0);
  return {
    // That of none kept is always scored: faithfulness needs it.
    all: 1 + (isBinary ? 1 : 2) + (wasRounded ? 2 : 0),
    controls: controlSeeds > 0 ? controls - 1 : 0,
  };
}

type Control = (typeof CONTROLS)[number];

function draws(control: Control, controlSeeds: number): number {
  return 'drawn' in control ? controlSeeds : 1;
}

/** Mask vectors of a control. */
interface Drawn {
  key: ControlName;
  masks: Float32Array[];
}

function controlsOf(circuit: Circuit, { seed, controlSeeds }: EvaluateSettings & { seed: number }): Drawn[] {
  return CONTROLS.map((control) => ({
    key: control.key,
    masks: Array.from({ length: draws(control, controlSeeds) }, (_, i) =>
      control.make(circuit, new Random(seed).fork(`${control.key.replaceAll('_', ' ')} ${i}`)),
    ),
  }));
}

function controlMetrics(
  { layout, masked }: Circuit,
  controls: readonly Drawn[],
  /** Where they are not all. */
  pairs: number | undefined,
  measure: (key: ControlName, mask: Float32Array) => Record<Measure, number | null>,
): NonNullable<SplitMetrics['controls']> {
  const entries = controls.map(({ key, masks }): [ControlName, ControlMetrics] => {
    const measured = masks.map((mask) => measure(key, mask));
    const sizes = masks.map((mask) => circuitSize(layout, mask, 0, masked).l1);
    const each = (use: (values: number[]) => number | null) =>
      recordOf(MASKED_MEASURES, (name) => use(measured.map((draw) => draw[name] ?? Number.NaN)));
    const on = pairs === undefined ? {} : { n: pairs };
    const summary = { ...on, active: mean(sizes)!, ...each(mean) };
    const spread = sizes.length > 1 ? { sd: each(standardDeviation), seeds: sizes.length } : {};
    return [key, { ...summary, ...spread }];
  });
  return Object.fromEntries(entries) as NonNullable<SplitMetrics['controls']>;
}
