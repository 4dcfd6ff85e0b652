/** A worker that runs masks: its own engine with its own copy of the model; prompt pairs come with each job. */
import { type Basis, inBasis } from '../decompose/basis.js';
import { DecompositionStore, storedDecomposition } from '../decompose/store.js';
import { type EngineName, openEngine } from '../engine/engine.js';
import type { LossKind } from '../engine/ops/loss.js';
import { type PromptScores, scorePrompts } from '../evaluate/prompt-scores.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { MaskedModel } from '../forward/masked-model.js';
import type { Positions, Replacement } from '../forward/masking-rules.js';
import type { Passes } from '../forward/passes.js';
import { type Objective, objective } from '../masks/objective.js';
import { totalKl } from '../masks/total-kl.js';
import type { Kind } from '../models/components.js';
import { openModel } from '../models/open-model.js';
import type { QkSplit } from '../models/qk-split.js';
import type { WeightForm } from '../models/weights.js';
import { allocatePairData, type FilledPairs, type PairData } from '../pairs/pair-data.js';
import { fillPairData, PreparedPairs } from '../pairs/prepared-pairs.js';
import { answering } from '../pool/worker-pool.js';

/** What a worker needs to load the model. */
export interface WorkerModel {
  engine: EngineName;
  folder: string;
  form: WeightForm;
  qkSplit: QkSplit;
  store: string;
  /** Of the decomposition. */
  key: string;
  basis: Basis;
  /** Kinds that are decomposed and masked. */
  kinds: readonly Kind[];
  positions: Positions;
}

export interface Job {
  model: WorkerModel;
  passes: Passes;
}

export interface PairJob extends Job {
  data: PairData;
}

export interface FilledJob extends Job {
  pairs: readonly TokenPair[];
  replacement: Replacement;
}

export interface MaskJob extends PairJob {
  masks: Float32Array;
}

export interface ObjectiveJob extends MaskJob {
  loss: LossKind;
}

/** Workers belong to one runner, hence to one model. */
let loaded: Promise<MaskedModel> | undefined;

function modelOf(job: Job): Promise<MaskedModel> {
  loaded ??= load(job.model);
  return loaded;
}

async function load(model: WorkerModel): Promise<MaskedModel> {
  const { folder, form, qkSplit, key, basis, kinds, positions } = model;
  const engine = await openEngine({ engine: model.engine });
  const opened = await openModel(folder, form, qkSplit);
  try {
    const store = new DecompositionStore(model.store);
    const directions = await inBasis(
      storedDecomposition(store, key, opened, kinds),
      basis,
      opened.architecture,
    );
    return await MaskedModel.load(engine, opened, directions, { kinds, positions });
  } finally {
    await opened.close();
  }
}

/** Loads the model, unless it is there; returns the singular values. */
export const sigma = answering(async (job: Job): Promise<Float32Array> => (await modelOf(job)).sigma);

/** Fills the arrays of the pairs, which lie on shared memory. */
export const fill = answering(async (job: PairJob): Promise<void> => {
  await fillPairData(await modelOf(job), job.data, job.passes.forward);
});

/** The same where no memory is shared: fills arrays of this worker's own. */
export const filled = answering(async ({ pairs, replacement, ...job }: FilledJob): Promise<FilledPairs> => {
  const model = await modelOf(job);
  // Who replaces whom is no matter here, and pasts stay behind.
  const options = { replacement, seed: 0, keepPast: false };
  const data = allocatePairData(model, pairs, options, (length) => new Float32Array(length));
  await fillPairData(model, data, job.passes.forward);
  return { states: data.states, coefficients: data.coefficients };
});

export const gradient = answering(async (job: ObjectiveJob): Promise<Objective> => {
  const prepared = new PreparedPairs(await modelOf(job), job.data);
  return objective(prepared, allOf(job.data), job.masks, job.loss, job.passes.train);
});

export const kl = answering(
  async (job: MaskJob): Promise<number> =>
    totalKl(new PreparedPairs(await modelOf(job), job.data, job.passes.forward), job.masks),
);

export const scores = answering(
  async (job: MaskJob): Promise<PromptScores> =>
    scorePrompts(new PreparedPairs(await modelOf(job), job.data, job.passes.forward), job.masks),
);

function allOf({ pairs }: PairData): number[] {
  return pairs.map((_, index) => index);
}
