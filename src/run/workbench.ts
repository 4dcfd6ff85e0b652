/** A subject made ready to be masked: decomposed, and loaded on an engine. */
import type { Basis } from '../decompose/basis.js';
import type { Decomposition } from '../decompose/directions.js';
import { DecompositionStore } from '../decompose/store.js';
import { cudaDevices } from '../engine/devices.js';
import { type Engine, type EngineChoice, openEngine } from '../engine/engine.js';
import { engineMemory } from '../engine/memory.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { MaskLayout } from '../forward/layout.js';
import { MaskedModel } from '../forward/masked-model.js';
import type { Positions } from '../forward/masking-rules.js';
import { planProcesses, planTraining, type TrainingPlan } from '../masks/training-plan.js';
import { openProcesses } from '../pool/processes.js';
import { openThreads } from '../pool/threads.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import { openAskedBasis, ranksBefore } from './basis.js';
import type { RunData } from './data.js';
import { checkedKinds, type DecompositionOptions, decomposeSubject, storeFolder } from './decomposition.js';
import { type MaskRunner, runnerInThisThread } from './mask-runner.js';
import { openParallelRunner } from './parallel-runner.js';
import type { Subject } from './subject.js';

export interface WorkbenchOptions extends DecompositionOptions, Basis {
  engine: EngineChoice;
  positions: Positions;
  /** Training pairs, on which principal components are estimated. */
  estimatedOn?: readonly TokenPair[];
  /** The basis of masks that are there already. */
  basisName?: string | null;
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
  /** In the basis that is masked. */
  decomposition: Decomposition;
  /** Its name, as a masks file holds it. */
  basis: string;
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
  const plan = await planFor(subject, work, engine, options);
  const workers = decompositionThreads(engine, options);
  const singular = await decomposeSubject(subject, { ...options, workers });
  const { model } = subject;
  const { positions, estimatedOn: pairs, onProgress, signal } = options;
  const { decomposition, name } = await openAskedBasis(
    model,
    singular,
    {
      ...options,
      kinds: checkedKinds(model, options.components),
      store: new DecompositionStore(storeFolder(options.store), options.storeDtype),
    },
    { engine, positions, pairs },
    { onProgress, signal },
  );
  const runner = await openRunner(subject, engine, decomposition, plan, options);
  return { subject, engine, decomposition, basis: name, runner };
}

export interface WorkPlan extends TrainingPlan {
  /** CUDA devices that share a batch, with a process each; none where threads share it, or nobody. */
  devices: readonly string[];
}

/**
 * TensorFlow uses all cores by itself, and one GPU a process; wasm uses only one core. So GPUs share the work by
 * processes, and wasm by threads, if asked for.
 * @throws InputError if the memory limit is too low, or if there are not so many GPUs
 */
export async function planFor(
  { model }: Subject,
  { lengths, batchSize }: Workload,
  { name }: Engine,
  { components, positions, workers, memory, basis }: WorkbenchOptions,
): Promise<WorkPlan> {
  const { architecture, qkSplit } = model;
  const ranks = ranksBefore(model, { basis });
  const layout = new MaskLayout(architecture, checkedKinds(model, components), qkSplit, ranks);
  const request = {
    masking: { architecture, layout, positions },
    engine: engineMemory(name),
    limit: memory,
    workers: workers ?? 1,
    lengths,
    batchSize,
  };
  if (name === 'native-gpu' && request.workers > 1)
    return { devices: await cudaDevices(request.workers), ...planProcesses(request) };
  return { devices: [], ...planTraining(name === 'wasm' ? request : { ...request, workers: 1 }) };
}

/** On GPUs `workers` counts those, and decomposition, which is done by the processor, takes one thread a core. */
export function decompositionThreads(
  { name }: Engine,
  { workers }: Pick<DecompositionOptions, 'workers'>,
): number | null {
  return name === 'native-gpu' ? null : workers;
}

async function openRunner(
  { model }: Subject,
  engine: Engine,
  decomposition: Decomposition,
  { workers, devices, passes }: WorkPlan,
  { components, positions, store, onProgress, signal }: WorkbenchOptions,
): Promise<MaskRunner> {
  const { architecture, form, qkSplit, path } = model;
  const kinds = checkedKinds(model, components);
  if (workers === 1) {
    const masking = { kinds, positions, onProgress, signal };
    return runnerInThisThread(await MaskedModel.load(engine, model, decomposition, masking), passes);
  }
  const { key, ranks } = decomposition;
  const layout = new MaskLayout(architecture, kinds, qkSplit, ranks);
  return openParallelRunner({
    model: {
      engine: engine.name,
      folder: path,
      form,
      qkSplit,
      store: storeFolder(store),
      ...{ key, ranks },
      kinds: layout.kinds,
      positions,
    },
    masking: { architecture, layout, positions },
    openPool: poolOf({ devices, workers }),
    passes,
    onProgress,
    signal,
  });
}

/** Opens what shares a batch: a process for each device, threads where there are none. */
export function poolOf({
  devices,
  workers,
}: Pick<WorkPlan, 'devices' | 'workers'>): (file: string) => WorkerPool {
  if (devices.length === 0) return (file) => openThreads({ file, workers });
  const places = devices.map((device) => ({
    name: `CUDA device ${device}`,
    env: { CUDA_VISIBLE_DEVICES: device },
  }));
  return (file) => openProcesses({ file, places });
}
