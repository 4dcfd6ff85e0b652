/** A subject made ready to be masked: decomposed, and loaded on an engine. */
import { type Basis, inBasis } from '../decompose/basis.js';
import type { Decomposition } from '../decompose/directions.js';
import { type Engine, type EngineChoice, openEngine } from '../engine/engine.js';
import { engineMemory, planTraining, type TrainingPlan } from '../masks/cost.js';
import { MaskLayout } from '../masks/layout.js';
import { MaskedModel, type Positions } from '../masks/masked-model.js';
import type { RunData } from './data.js';
import { checkedKinds, type DecompositionOptions, decomposeSubject, storeFolder } from './decomposition.js';
import { type MaskRunner, runnerInThisThread } from './mask-runner.js';
import type { Subject } from './subject.js';
import { openThreadedRunner } from './threaded-runner.js';

export interface WorkbenchOptions extends DecompositionOptions, Basis {
  engine: EngineChoice;
  positions: Positions;
}

/** What will be run: with the memory limit it decides how much at a time. */
export interface Workload {
  /** Tokens of each clean prompt. */
  lengths: readonly number[];
  /** Pairs in a training step; 0 where nothing is trained. */
  batchSize: number;
}

export function workload({ splits }: RunData, batchSize: number): Workload {
  const pairs = Object.values(splits).flat();
  return { lengths: pairs.map(({ clean }) => clean.length), batchSize };
}

export interface Workbench {
  subject: Subject;
  engine: Engine;
  decomposition: Decomposition;
  /** Close it when done. */
  runner: MaskRunner;
}

export async function openWorkbench(
  subject: Subject,
  work: Workload,
  options: WorkbenchOptions,
): Promise<Workbench> {
  // The engine first: one that is asked for and missing must not cost a decomposition.
  const engine = await openEngine({ engine: options.engine });
  const plan = planFor(subject, work, engine, options);
  const decomposition = await decomposeSubject(subject, options);
  const runner = await openRunner(subject, engine, decomposition, plan, options);
  return { subject, engine, decomposition, runner };
}

/**
 * TensorFlow uses all cores by itself; wasm only one, so that there threads share the work if asked for.
 * @throws InputError if the memory limit is too low
 */
export function planFor(
  { model }: Subject,
  { lengths, batchSize }: Workload,
  { name }: Engine,
  { components, positions, workers, memory }: WorkbenchOptions,
): TrainingPlan {
  const { architecture, qkSplit } = model;
  const layout = new MaskLayout(architecture, checkedKinds(model, components), qkSplit);
  return planTraining({
    masking: { architecture, layout, positions },
    engine: engineMemory(name),
    limit: memory,
    workers: name === 'wasm' ? (workers ?? 1) : 1,
    lengths,
    batchSize,
  });
}

async function openRunner(
  { model }: Subject,
  engine: Engine,
  decomposition: Decomposition,
  { workers, passes }: TrainingPlan,
  { components, positions, store, onProgress, signal, ...options }: WorkbenchOptions,
): Promise<MaskRunner> {
  const { architecture, form, qkSplit, path } = model;
  const kinds = checkedKinds(model, components);
  if (workers === 1) {
    const directions = await inBasis(decomposition, options, architecture);
    const masking = { kinds, positions, onProgress, signal };
    return runnerInThisThread(await MaskedModel.load(engine, model, directions, masking), passes);
  }
  const layout = new MaskLayout(architecture, kinds, qkSplit);
  return openThreadedRunner({
    model: {
      engine: engine.name,
      folder: path,
      form,
      qkSplit,
      store: storeFolder(store),
      key: decomposition.key,
      basis: { basis: options.basis, basisSeed: options.basisSeed },
      kinds: layout.kinds,
      positions,
    },
    masking: { architecture, layout, positions },
    workers,
    passes,
    onProgress,
    signal,
  });
}
