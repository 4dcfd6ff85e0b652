/** Memory and operations of mask training, computed from the model's shapes before anything is loaded. */
import type { EngineMemory } from '../engine/memory.js';
import type { Masking } from '../forward/masking-rules.js';
import { directionCost, modelCost } from '../forward/model-cost.js';
import type { Passes } from '../forward/passes.js';
import { hasFixedPast, pastSize } from '../forward/past.js';
import type { Architecture } from '../models/architecture.js';
import type { TrainSettings } from '../settings/train-settings.js';
import { CUT_PAIRS, MOST_CUTS } from './cut.js';
import { trainingSteps, validations } from './schedule.js';

/** What allocators lose between blocks of a pass. With it, `copies` and the rest fit bench/training.ts to a tenth. */
const SLACK = 1.25;

export interface TrainingMemory {
  /** Of the weights on one engine, and of the embedding beside it. */
  weights: number;
  /** For each position of a forward and backward pass. */
  token: number;
  /** For each position of a forward pass alone. */
  passing: number;
}

/** Numbers that a forward pass has at once for each position: the hidden layer in a few forms, the stream in more. */
export function passNumbers({ dModel, dMlp }: Architecture): number {
  return SLACK * (8 * dModel + 6 * dMlp);
}

/** @param length tokens of a prompt; the shortest is on the safe side, since each prompt has its own logits */
export function trainingMemory(masking: Masking, engine: EngineMemory, length: number): TrainingMemory {
  const { architecture, layout, positions } = masking;
  const { nLayers, dModel: d, dMlp, dHead, nHeads, nVocab, gatedMlp } = architecture;
  const { layer, bases, embedding, unembedding } = modelCost(architecture, layout.components);
  const frozen = nLayers * (layer + bases) + unembedding;
  // Kept for the pullback: keys and values; where a position can move, both normalised streams, queries twice,
  // attention, the MLP's slopes.
  const masked = positions === 'all' ? layout.size / nLayers : 0;
  const past = hasFixedPast(masking);
  const moving = 2 * d + 2 * nHeads * dHead + nHeads * length + (gatedMlp ? 3 : 1) * dMlp + 2 * masked;
  const kept = 2 * nHeads * dHead + moving / (past ? length : 1);
  // At the end: logits in a few forms.
  const passing = passNumbers(architecture) / SLACK + (6 * nVocab) / length;
  // While pairs are prepared, or masks with equal QK masks are scored, the whole past of a batch is in memory.
  const prepared = positions === 'last' ? pastSize(architecture, 2) : 0;
  return {
    weights: 4 * (engine.copies * frozen + embedding),
    token: 4 * SLACK * (nLayers * kept + passing),
    passing: 4 * SLACK * (passing + nLayers * masked + prepared),
  };
}

/** Floating-point operations on some prompts. */
export interface TrainingFlops {
  /** Of the unmasked model on clean and corrupted prompts. */
  prepare: number;
  /** Of a masked forward pass, the teacher's logits with it. */
  forward: number;
  /** Of the forward pass and as much again backwards. */
  step: number;
}

export function trainingFlops(
  masking: Masking,
  tokens: number,
  prompts: number,
  { keepPast }: Pick<Passes, 'keepPast'>,
): TrainingFlops {
  const { architecture, layout, positions } = masking;
  const { nLayers } = architecture;
  const { layer, keysValues, unembedding } = modelCost(architecture);
  const qk = layout.components.filter(({ kind }) => kind === 'qk');
  const queries = directionCost(architecture, qk);
  const masks = directionCost(
    architecture,
    layout.components.filter((component) => !qk.includes(component)),
  );
  // Positions of all layers. Of the last block only keys and values are wanted before the last one.
  const [before, last] = [(tokens - prompts) * (nLayers - 1), prompts * nLayers];
  const plain = 2 * ((before + last) * layer + (tokens - prompts) * keysValues);
  const past = 2 * (before * layer + (tokens - prompts) * keysValues);
  const masked = positions === 'all' ? before + last : last;
  // QK masks act wherever there are queries.
  const more =
    2 * (before + last) * (queries.read + queries.write - queries.plain) +
    2 * masked * (masks.read + masks.write - masks.plain);
  const fixed = hasFixedPast(masking);
  const blocks = plain - (fixed ? past : 0) + more;
  const logits = 2 * prompts * unembedding;
  const forward = (fixed && !keepPast ? past : 0) + blocks + 2 * logits;
  return {
    // Replacements are read from the corrupted prompts.
    prepare: 2 * plain + 2 * masked * masks.read,
    forward,
    step: forward + blocks + logits,
  };
}

/** Pairs of a split, and the tokens of their clean prompts together. */
export interface SplitSize {
  pairs: number;
  tokens: number;
  /** Of these, what is not computed where masks act at last positions, since other prompts of a batch begin alike. */
  saved?: number;
}

export interface EvaluationPasses {
  /** Mask vectors scored on all test pairs. */
  scored: number;
  /** Those of controls, and the pairs that they are scored on. */
  controls: { scored: number; measured: number };
  /** Pairs that an adversary sees and is measured on, and how often each are run. */
  attack: { seen: number; gradients: number; measured: number; scores: number };
}

/** Operations of a training, preparation and validations included. */
export function trainingRunFlops(
  masking: Masking,
  settings: TrainSettings,
  splits: Record<'train' | 'validation', SplitSize>,
  passes: Pick<Passes, 'keepPast'>,
): number {
  const train = flopsOf(masking, splits.train, passes);
  const validation = flopsOf(masking, splits.validation, passes);
  const { pairs } = splits.train;
  const cuts = settings.cut === 'validation' && settings.roundingSteps > 0 ? MOST_CUTS : 0;
  const onAll =
    validations(settings, pairs) + cuts * Math.min(1, CUT_PAIRS / Math.max(1, splits.validation.pairs));
  return (
    train.prepare +
    // Those that it validates on where it has no others are prepared once.
    (splits.validation === splits.train ? 0 : validation.prepare) +
    trainingSteps(settings, pairs) * train.step * Math.min(1, settings.batchSize / pairs) +
    onAll * (settings.adversary > 0 ? 2 : 1) * validation.forward
  );
}

/**
 * Operations of an evaluation.
 * @param splits.seen what an adversary sees
 */
export function evaluationFlops(
  masking: Masking,
  splits: Record<'measured' | 'seen', SplitSize>,
  { scored, controls, attack }: EvaluationPasses,
  passes: Pick<Passes, 'keepPast'>,
): number {
  const measured = flopsOf(masking, splits.measured, passes);
  const seen = flopsOf(masking, splits.seen, passes);
  const onSome = controls.scored * controls.measured + attack.scores * attack.measured;
  return (
    measured.prepare +
    scored * measured.forward +
    (attack.gradients * attack.seen * seen.step) / Math.max(1, splits.seen.pairs) +
    (onSome * measured.forward) / Math.max(1, splits.measured.pairs)
  );
}

function flopsOf(
  masking: Masking,
  { pairs, tokens, saved = 0 }: SplitSize,
  passes: Pick<Passes, 'keepPast'>,
) {
  return trainingFlops(masking, tokens - (masking.positions === 'last' ? saved : 0), pairs, passes);
}
