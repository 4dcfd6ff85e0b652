/** A worker that runs masks: its own engine with its own copy of the model; prompt pairs come with each job. */
import { DecompositionStore, storedDecomposition } from '../decompose/store.js';
import { type EngineName, openEngine } from '../engine/engine.js';
import type { LossKind } from '../engine/ops/loss.js';
import { type PromptScores, scoreEach } from '../evaluate/prompt-scores.js';
import type { TokenPair } from '../formats/token-pairs.js';
import { MaskedModel } from '../forward/masked-model.js';
import type { Positions, Replacement } from '../forward/masking-rules.js';
import type { Passes } from '../forward/passes.js';
import { squaredDifferences } from '../masks/coefficient-differences.js';
import { conductance as throughDirections } from '../masks/conductance.js';
import { type Objective, objective } from '../masks/objective.js';
import { totalKl } from '../masks/total-kl.js';
import type { Kind, Ranks } from '../models/components.js';
import { openModel } from '../models/open-model.js';
import type { QkSplit } from '../models/qk-split.js';
import type { WeightForm } from '../models/weights.js';
import { fillPairs } from '../pairs/fill-pairs.js';
import { type EmptyPairs, emptyPairs, type ReadyPairs } from '../pairs/pair-data.js';
import { PreparedPairs } from '../pairs/prepared-pairs.js';
import type { PairContents } from '../pairs/sent-pairs.js';
import { answering } from '../pool/worker-pool.js';

/** What a worker needs to load the model. */
export interface WorkerModel {
  engine: EngineName;
  folder: string;
  form: WeightForm;
  qkSplit: QkSplit;
  store: string;
  /** Of the decomposition, and how many directions it has where matrices have another rank. */
  key: string;
  ranks?: Ranks;
  /** Kinds that are decomposed and masked. */
  kinds: readonly Kind[];
  positions: Positions;
}

export interface ModelJob {
  model: WorkerModel;
  passes: Passes;
}

export interface FillJob extends ModelJob {
  room: EmptyPairs;
}

export interface ContentsJob extends ModelJob {
  pairs: readonly TokenPair[];
  replacement: Replacement;
}

export interface PairsJob extends ModelJob {
  data: ReadyPairs;
}

export interface MaskJob extends PairsJob {
  masks: Float32Array;
}

export interface ScoreJob extends PairsJob {
  all: readonly Float32Array[];
  /** Masks in the full model's place. */
  against?: Float32Array;
}

export interface ObjectiveJob extends MaskJob {
  loss: LossKind;
}

export interface ConductanceJob extends PairsJob {
  loss: LossKind;
  points: number;
  /** Pairs of all jobs together. */
  total: number;
}

/** Workers belong to one runner, hence to one model. */
let loaded: Promise<MaskedModel> | undefined;

function modelOf(job: ModelJob): Promise<MaskedModel> {
  loaded ??= load(job.model);
  return loaded;
}

async function load(model: WorkerModel): Promise<MaskedModel> {
  const { folder, form, qkSplit, key, ranks, kinds, positions } = model;
  const engine = await openEngine({ engine: model.engine });
  const opened = await openModel(folder, form, qkSplit);
  try {
    const store = new DecompositionStore(model.store);
    const directions = storedDecomposition(store, key, opened, kinds, ranks);
    return await MaskedModel.load(engine, opened, directions, { kinds, positions });
  } finally {
    await opened.close();
  }
}

/** Loads the model, unless it is there; returns the singular values. */
export const sigma = answering(async (job: ModelJob): Promise<Float32Array> => (await modelOf(job)).sigma);

/** Fills the room of the pairs, which lies on shared memory. */
export const fill = answering(async (job: FillJob): Promise<void> => {
  await fillPairs(await modelOf(job), job.room, job.passes.forward);
});

/** The same where no memory is shared: fills room of this worker's own. */
export const contents = answering(
  async ({ pairs, replacement, ...job }: ContentsJob): Promise<PairContents> => {
    const model = await modelOf(job);
    // Which pair replaces which is decided where all are known, and pasts stay behind.
    const options = { replacement, seed: 0, keepPast: false };
    const room = emptyPairs(model, pairs, options, (length) => new Float32Array(length));
    const { states, coefficients } = await fillPairs(model, room, job.passes.forward);
    return { states, coefficients };
  },
);

export const gradient = answering(async (job: ObjectiveJob): Promise<Objective> => {
  const prepared = new PreparedPairs(await modelOf(job), job.data);
  return objective(prepared, allOf(job.data), job.masks, job.loss, job.passes.train);
});

export const kl = answering(
  async (job: MaskJob): Promise<number> =>
    totalKl(new PreparedPairs(await modelOf(job), job.data, job.passes.forward), job.masks),
);

export const scores = answering(
  async (job: ScoreJob): Promise<PromptScores[]> =>
    scoreEach(new PreparedPairs(await modelOf(job), job.data, job.passes.forward), job.all, {}, job.against),
);

export const conductance = answering(async (job: ConductanceJob): Promise<Float32Array> => {
  const { loss, points, passes, total } = job;
  const prepared = new PreparedPairs(await modelOf(job), job.data);
  return throughDirections(prepared, loss, points, passes.train, {}, total);
});

export const differences = answering(
  async (job: PairsJob): Promise<Float32Array> =>
    squaredDifferences(new PreparedPairs(await modelOf(job), job.data, job.passes.forward)),
);

function allOf({ pairs }: ReadyPairs): number[] {
  return pairs.map((_, index) => index);
}
