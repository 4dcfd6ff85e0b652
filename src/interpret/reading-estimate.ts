/** What a command that reads directions would take, before anything is decomposed or loaded. */
import { type EngineName, openEngine } from '../engine/engine.js';
import { type EngineMemory, engineMemory } from '../engine/memory.js';
import { MaskLayout } from '../forward/layout.js';
import { FULL_PASSES } from '../forward/passes.js';
import { trainingMemory } from '../masks/training-cost.js';
import type { Architecture } from '../models/architecture.js';
import type { Kind } from '../models/components.js';
import type { Model } from '../models/weights.js';
import type { Listener } from '../progress.js';
import { type DecompositionEstimate, estimateDirections } from '../run/decomposition.js';
import type { Subject } from '../run/subject.js';
import { type ApartOptions, type Masks, withMasks } from './open.js';

export interface ReadingEstimate {
  engine: EngineName;
  directions: number;
  prompts: number;
  decomposition: DecompositionEstimate;
  /** The larger of decomposition and of what follows it. */
  memory_bytes: number;
  /** Of decompositions that the store lacks. */
  disk_bytes: number;
}

/** What would be read. */
export interface ReadingPlan {
  directions: number;
  /** Kinds of the directions that are loaded. */
  kinds: readonly Kind[];
  /** Tokens of each prompt. */
  lengths: readonly number[];
  /** Whether gradients are taken. */
  pulled: boolean;
  /** Whether directions are held against the whole vocabulary. */
  receptors: boolean;
}

/** @param planOf asked once the model and the circuit are known */
export function estimateReading(
  options: ApartOptions,
  listener: Listener,
  planOf: (subject: Subject, masks: Masks) => Promise<ReadingPlan> | ReadingPlan,
): Promise<ReadingEstimate> {
  return withMasks(options, listener, async (subject, masks) => {
    const { model } = subject;
    const plan = await planOf(subject, masks);
    const { name } = await openEngine(options);
    const decomposition = await estimateDirections(model, { ...options, components: plan.kinds });
    return {
      engine: name,
      directions: plan.directions,
      prompts: plan.lengths.length,
      decomposition,
      memory_bytes: Math.max(readingMemory(model, name, plan), decomposition.memory_bytes),
      disk_bytes: decomposition.disk_bytes,
    };
  });
}

/** Of the process that reads, decomposition aside. */
function readingMemory({ architecture, qkSplit }: Model, name: EngineName, plan: ReadingPlan): number {
  const engine = engineMemory(name);
  const layout = new MaskLayout(architecture, plan.kinds, qkSplit);
  const longest = Math.max(1, ...plan.lengths);
  const { weights, token, passing } = trainingMemory(
    { architecture, layout, positions: 'all' },
    engine,
    longest,
  );
  const atOnce = Math.min(FULL_PASSES.forward, plan.lengths.length * longest);
  const passes =
    plan.lengths.length === 0
      ? 0
      : weights + atOnce * ((plan.pulled ? token : passing) + keptOfToken(architecture, longest));
  const vocabulary = plan.receptors ? vocabularyMemory(architecture, engine) : 0;
  // Passes are over, and their model is closed, before directions are held against the vocabulary.
  return engine.process + Math.max(passes, vocabulary);
}

/** Bytes of what a pass leaves at named places for each token, on the engine and on the host. */
export function keptOfToken({ nLayers, nHeads, dHead, dModel }: Architecture, length: number): number {
  return 8 * nLayers * (2 * dModel + 2 * nHeads * dHead + 2 * nHeads * length);
}

/** Twice the vocabulary, on the engine and on the host: once as what is written, once as what is read. */
export function vocabularyMemory(
  { dModel, nVocab }: Architecture,
  { copies }: Pick<EngineMemory, 'copies'>,
): number {
  return 8 * (1 + copies) * dModel * nVocab;
}
