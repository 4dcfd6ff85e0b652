/** A subject made ready to be masked: decomposed, and loaded on an engine. */
import type { Basis } from '../decompose/basis.js';
import type { Decomposition } from '../decompose/directions.js';
import { DecompositionStore } from '../decompose/store.js';
import { cudaDevices } from '../engine/devices.js';
import { type Engine, type EngineChoice, openEngine } from '../engine/engine.js';
import { engineMemory } from '../engine/memory.js';
import { InputError } from '../errors.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { MaskLayout } from '../forward/layout.js';
import { MaskedModel } from '../forward/masked-model.js';
import type { Positions } from '../forward/masking-rules.js';
import { planProcesses, planShare, planTraining, type TrainingPlan } from '../masks/training-plan.js';
import { openProcesses } from '../pool/processes.js';
import { openThreads } from '../pool/threads.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { Listener } from '../progress.js';
import { openAskedBasis, ranksBefore } from './basis.js';
import type { RunData } from './data.js';
import { checkedKinds, type DecompositionOptions, decomposeSubject, storeFolder } from './decomposition.js';
import { type MaskRunner, runnerInThisThread } from './mask-runner.js';
import type { WorkerModel } from './mask-worker.js';
import { openParallelRunner } from './parallel-runner.js';
import { openSharedPool } from './share-pool.js';
import type { Subject } from './subject.js';

export interface WorkbenchOptions extends DecompositionOptions, Basis, Listener {
  engine: EngineChoice;
  positions: Positions;
  /** Training pairs, on which principal components are estimated. */
  estimatedOn?: readonly TokenPair[];
  /** The basis of masks that are there already. */
  basisName?: string | null;
  /** Addresses of machines that share every batch. */
  share?: readonly string[] | null;
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
  /** Of this machine; `workers` counts every other one as one more until it says how many it has. */
  here: number;
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
  { components, positions, workers, memory, basis, share }: WorkbenchOptions,
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
  const machines = share?.length ?? 0;
  if (name === 'native-gpu' && request.workers > 1) {
    const devices = await cudaDevices(request.workers);
    const here = devices.length;
    return { devices, here, ...planProcesses({ ...request, workers: here + machines }) };
  }
  const alone = name === 'wasm' ? request : { ...request, workers: 1 };
  if (machines === 0) {
    const plan = planTraining(alone);
    return { devices: [], here: plan.workers, ...plan };
  }
  const plan = planShare(alone, 1 + machines);
  return { devices: [], here: plan.workers, ...plan, workers: plan.workers + machines };
}

/** On GPUs `workers` counts those, and decomposition, which is done by the processor, takes one thread a core. */
export function decompositionThreads(
  { name }: Engine,
  { workers }: Pick<DecompositionOptions, 'workers'>,
): number | null {
  return name === 'native-gpu' ? null : workers;
}

async function openRunner(
  subject: Subject,
  engine: Engine,
  decomposition: Decomposition,
  plan: WorkPlan,
  options: WorkbenchOptions,
): Promise<MaskRunner> {
  const { model } = subject;
  const { architecture, form, qkSplit, path } = model;
  const { components, positions, store, onProgress, signal } = options;
  const kinds = checkedKinds(model, components);
  if (plan.workers === 1) {
    const masking = { kinds, positions, onProgress, signal };
    return runnerInThisThread(await MaskedModel.load(engine, model, decomposition, masking), plan.passes);
  }
  const { key, ranks } = decomposition;
  const layout = new MaskLayout(architecture, kinds, qkSplit, ranks);
  const workerModel: WorkerModel = {
    engine: engine.name,
    folder: path,
    form,
    qkSplit,
    store: storeFolder(store),
    ...{ key, ranks },
    kinds: layout.kinds,
    positions,
  };
  return openParallelRunner({
    model: workerModel,
    masking: { architecture, layout, positions },
    openPool: options.share
      ? (file) => sharedPool(subject, workerModel, plan, options, file)
      : poolOf({ ...plan, workers: plan.here }),
    passes: plan.passes,
    onProgress,
    signal,
  });
}

/** The workers of this machine and those of others. */
async function sharedPool(
  { model, source }: Subject,
  { engine, form, qkSplit, store, key, ranks, kinds, positions }: WorkerModel,
  { devices, here, memory }: WorkPlan,
  { share, onNote, signal }: WorkbenchOptions,
  file: string,
): Promise<WorkerPool> {
  const fingerprint = await new DecompositionStore(store).fingerprint(key, model, kinds, ranks);
  if (fingerprint === null) throw new InputError(`${store}: lost the directions; run the command again`);
  const hello = {
    engine,
    model: { name: source.id, hash: await model.hash() },
    ...{ form, qkSplit, key, ranks, fingerprint, positions },
    kinds: [...kinds],
    memory: Math.ceil(memory / here),
  };
  // TensorFlow would hold this thread up, which is to hear the other machines.
  const inProcess = engine !== 'wasm' && devices.length === 0;
  const own = inProcess
    ? () => openProcesses({ file, places: [{ name: 'this machine', env: {} }] })
    : () => poolOf({ devices, workers: here })(file);
  return openSharedPool({ share: share!, hello, onNote, signal }, own);
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
