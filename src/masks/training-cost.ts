/** Memory and operations of mask training, computed from the model's shapes before anything is loaded. */
import type { EngineMemory } from '../engine/memory.js';
import type { Masking } from '../forward/masking-rules.js';
import { modelCost } from '../forward/model-cost.js';
import type { Passes } from '../forward/passes.js';
import { hasFixedPast, pastSize } from '../forward/past.js';
import type { TrainSettings } from '../settings/train-settings.js';
import { CUT_PAIRS, MOST_CUTS } from './cut.js';
import { trainingSteps } from './schedule.js';

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
  // Within a block: the hidden layer in a few forms, the stream in more. At the end: logits in a few.
  const passing = 8 * d + 6 * dMlp + (6 * nVocab) / length;
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
  const { layer, bases, unembedding } = modelCost(architecture, layout.components);
  const fixed = hasFixedPast(masking) ? tokens - prompts : 0;
  const past = 2 * nLayers * fixed * layer;
  const masked = positions === 'all' ? tokens : prompts;
  const blocks = 2 * nLayers * ((tokens - fixed) * layer + masked * bases);
  const logits = 2 * prompts * unembedding;
  const forward = (keepPast ? 0 : past) + blocks + 2 * logits;
  return {
    prepare: 4 * nLayers * tokens * layer + logits,
    forward,
    step: forward + blocks + logits,
  };
}

/** Share of the speed of one large matrix product that whole steps reach. */
export const STEP_SPEED = 0.7;

/** Pairs of a split, and the tokens of their clean prompts together. */
export interface SplitSize {
  pairs: number;
  tokens: number;
}

export interface EvaluationPasses {
  /** Mask vectors scored on all test pairs. */
  scored: number;
  /** Pairs that an adversary sees and is measured on, and how often each are run. */
  attack: { seen: number; gradients: number; measured: number; scores: number };
}

export const NO_EVALUATION: EvaluationPasses = {
  scored: 0,
  attack: { seen: 0, gradients: 0, measured: 0, scores: 0 },
};

/**
 * Operations of a run's training, validations included, and of its evaluation.
 * @param evaluation mask vectors that it scores on all test pairs, and what an attack does; nothing where there is none
 */
export function runFlops(
  masking: Masking,
  settings: TrainSettings,
  splits: Record<'train' | 'validation' | 'test', SplitSize>,
  evaluation: EvaluationPasses,
  passes: Pick<Passes, 'keepPast'>,
): { train: number; evaluate: number } {
  const of = ({ pairs, tokens }: SplitSize) => trainingFlops(masking, tokens, pairs, passes);
  const [train, validation, test] = [of(splits.train), of(splits.validation), of(splits.test)];
  const steps = trainingSteps(settings, splits.train.pairs);
  const { scored, attack } = evaluation;
  const cuts = settings.cut === 'validation' && settings.roundingSteps > 0 ? MOST_CUTS : 0;
  const validations =
    steps / settings.validateEvery + cuts * Math.min(1, CUT_PAIRS / Math.max(1, splits.validation.pairs));
  return {
    train:
      train.prepare +
      validation.prepare +
      steps * train.step * Math.min(1, settings.batchSize / splits.train.pairs) +
      validations * (settings.adversary > 0 ? 2 : 1) * validation.forward,
    evaluate:
      test.prepare +
      scored * test.forward +
      (attack.gradients * attack.seen * train.step) / splits.train.pairs +
      (attack.scores * attack.measured * test.forward) / Math.max(1, splits.test.pairs),
  };
}
