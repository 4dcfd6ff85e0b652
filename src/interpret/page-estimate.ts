/** What reading a run's circuit for its page would take, before there is a circuit. */
import { type EngineChoice, openEngine } from '../engine/engine.js';
import { measurePasses } from '../engine/measure.js';
import { engineMemory } from '../engine/memory.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { MaskLayout } from '../forward/layout.js';
import { FULL_PASSES } from '../forward/passes.js';
import { trainingFlops, trainingMemory } from '../masks/training-cost.js';
import { kindsOf } from '../models/components.js';
import type { Model } from '../models/weights.js';
import { loadingSeconds } from '../run/loading.js';
import { PAGE_READING } from './for-page.js';
import { keptOfToken, vocabularyMemory } from './reading-estimate.js';
import { MOST_SIZES } from './size-curve.js';

export interface PageEstimate {
  seconds: number;
  /** Of the process, which has closed the model that was trained on. */
  memory_bytes: number;
}

/** Of all directions, the share that a circuit is taken to keep: what it will be nobody knows yet. */
const KEPT = 0.05;
/** Passes over all prompts without masks: coefficients, sums of logits, roles. */
const PLAIN_PASSES = 3;
/** Passes over a prompt that is taken apart, with masks and without. */
const CARD_PASSES = 4;
/** Rows of a pass below which it takes no less: then reading the weights is what takes the time. */
const LEAST_ROWS = 128;
/**
 * Processor seconds besides passes, measured on an AMD EPYC (Zen 5) by bench/page-readings.ts: of a direction that is
 * read, its role and its rows of the table, and of a number of each end of the model, which is held against them.
 */
const SECONDS = { direction: 2e-3, ofVocabulary: 1.5e-7 };

/** @param pairs test pairs, of which the first are read */
export async function estimatePageReading(
  model: Model,
  pairs: readonly TokenPair[],
  { pagePrompts, rounds, ...options }: { pagePrompts: number; rounds: boolean; engine: EngineChoice },
): Promise<PageEstimate> {
  const engine = await openEngine(options);
  const { architecture, qkSplit } = model;
  const read = pairs.slice(0, PAGE_READING.mostPairs);
  const lengths = read.map(({ clean }) => clean.length);
  const layout = new MaskLayout(architecture, kindsOf(architecture), qkSplit);
  const masking = { architecture, layout, positions: 'last' } as const;
  const directions = Math.ceil(KEPT * layout.size);
  const flopsOf = (tokens: number, prompts: number) =>
    trainingFlops(masking, tokens, prompts, { keepPast: true });
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const { prepare, forward, step } = flopsOf(tokens, read.length);
  const contrasted = read.every(({ answers, distractors }) => answers.length > 0 && distractors.length > 0);
  const one = flopsOf(Math.max(LEAST_ROWS, ...lengths), 1).forward;
  // Each is held against the vocabulary as what it writes or what it reads, most of them as both.
  const receptors = 4 * directions * architecture.dModel * architecture.nVocab;
  const flops =
    prepare * (1 + PLAIN_PASSES / 2) +
    step * (contrasted ? 4 : 2) +
    forward * (rounds ? MOST_SIZES : 0) +
    one * CARD_PASSES * Math.min(pagePrompts, read.length) +
    receptors;
  const ownWork =
    SECONDS.direction * directions + SECONDS.ofVocabulary * architecture.dModel * architecture.nVocab;
  const own = engineMemory(engine.name);
  const longest = Math.max(1, ...lengths);
  const { weights, token, passing } = trainingMemory(masking, own, longest);
  // What is read at places is read in passes of its own, which are not pulled back.
  const ofToken = Math.max(token, passing + keptOfToken(architecture, longest));
  const passes = weights + Math.min(FULL_PASSES.forward, lengths.length * longest) * ofToken;
  return {
    seconds:
      (await loadingSeconds(engine, model, layout.components)) +
      flops / (await measurePasses(engine)) +
      ownWork,
    // Passes are over, and their model is closed, before directions are held against the vocabulary.
    memory_bytes: own.process + Math.max(passes, vocabularyMemory(architecture, own)),
  };
}
