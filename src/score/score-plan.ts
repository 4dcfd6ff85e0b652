/** What `score` is asked for, opened and checked before anything long begins. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { type Manifest, readManifest } from '../formats/manifest.js';
import type { RecordFormat } from '../formats/record-stream.js';
import { readMasks } from '../masks/masks-file.js';
import { decomposedKinds, kindsOf, listComponents } from '../models/components.js';
import { DEFAULT_SPLIT, type QkSplit } from '../models/qk-split.js';
import type { WeightForm } from '../models/weights.js';
import type { LongCall } from '../progress.js';
import { newManifest } from '../run/session.js';
import { type Subject, type SubjectOptions, withSubject } from '../run/subject.js';
import type { WorkbenchOptions } from '../run/workbench.js';
import { type Shard, shardName } from '../shard.js';
import { activeDirections, chooseDirections, type ScoredComponent } from './chosen-directions.js';
import { type DataSet, dataSetsOf } from './data-sets.js';
import type { LongPrompts, PassageSettings, ScoredPositions } from './passages.js';
import type { ValueType } from './values-file.js';

/** Examples at each end of each direction, and tokens of each, at most: all are in memory at once. */
export const MOST_EXAMPLES = 1000;
export const MOST_CONTEXT = 10_000;

export interface ScoreRequest
  extends Omit<SubjectOptions, keyof LongCall | 'form'>,
    Pick<WorkbenchOptions, 'store' | 'storeDtype' | 'workers' | 'memory' | 'engine'> {
  /** A model (folder or hub id), or the folder of a run. */
  model: string;
  /** Masks file that goes with a model; a run brings its own. */
  masks?: string | null;
  /** Null: the run's, or `reference`. */
  form: WeightForm | null;
  /** `FILE` or `NAME=FILE`. */
  data: string[];
  format: RecordFormat | null;
  /** `all`, `active` or a list. */
  directions: string;
  /** Masks above it are active. */
  threshold: number;
  positions: ScoredPositions;
  long: LongPrompts;
  /** Most tokens of a passage; null: the model's context. */
  maxTokens: number | null;
  /** Examples at each end. */
  examples: number;
  /** Tokens of an example's context. */
  context: number;
  /** Also write every value; null: no. */
  values: ValueType | null;
  shard: Shard;
  maxRejected: number;
  checkpointSeconds: number;
}

/** A request with all that a run's folder or a default stands for spelled out. */
export interface ResolvedRequest extends ScoreRequest {
  masks: string | null;
  form: WeightForm;
  qkSplit: QkSplit['by'];
  rotaryOffsets: number;
}

export interface ScorePlan {
  request: ResolvedRequest;
  subject: Subject;
  dataSets: DataSet[];
  scored: ScoredComponent[];
  passages: PassageSettings;
  /** By component name; null where no run is scored. */
  masks: Map<string, Float32Array> | null;
  manifest: Manifest;
  /** Hash of all that states must share to be joined. */
  identity: string;
}

/**
 * Opens what is asked for, for `work`, and closes the model's files afterwards.
 * @throws InputError if a file is missing, or a direction is not the model's
 */
export async function withPlan<T>(
  asked: ScoreRequest,
  call: LongCall,
  work: (plan: ScorePlan) => Promise<T>,
): Promise<T> {
  const dataSets = await dataSetsOf(asked.data, asked.format);
  const request = await resolved(asked);
  return withSubject(request.model, { ...request, ...call }, async (subject) =>
    work(await planOf(request, subject, dataSets)),
  );
}

async function resolved(asked: ScoreRequest): Promise<ResolvedRequest> {
  const found = await runOf(asked.model);
  const { masks, form, qkSplit, rotaryOffsets } = { ...asked, ...found };
  return {
    ...asked,
    model: found?.model ?? asked.model,
    masks: masks ?? null,
    form: asked.form ?? form ?? 'reference',
    qkSplit: qkSplit ?? DEFAULT_SPLIT.by,
    rotaryOffsets: rotaryOffsets ?? DEFAULT_SPLIT.offsets,
  };
}

async function planOf(request: ResolvedRequest, subject: Subject, dataSets: DataSet[]): Promise<ScorePlan> {
  const masks = request.masks ? (await readMasks(request.masks)).values : null;
  const scored = directionsOf(request, subject, masks);
  const { bos, directions, threshold, positions, long, maxTokens, examples, context, values, shard } =
    request;
  const settings = {
    ...{ bos, directions, positions, long, max_tokens: maxTokens, examples, context },
    ...(directions === 'active' && { threshold }),
    qk_split: subject.model.qkSplit.by,
    rotary_offsets: subject.model.qkSplit.offsets,
  };
  const manifest = await newManifest({
    command: 'score',
    settings: {
      ...settings,
      data: dataSets.map(({ name, format }) => `${name} (${format})`),
      values,
      shard: shardName(shard),
    },
    subject,
  });
  const names = scored.map(({ component, indices }) => `${component.name} ${indices.join(' ')}`);
  const identity = createHash('sha256')
    .update(JSON.stringify([manifest.model.hash, subject.model.form, settings, names]))
    .digest('hex');
  const { nVocab, nPositions } = subject.model.architecture;
  const passages = {
    positions,
    long,
    maxTokens: Math.min(maxTokens ?? nPositions, nPositions),
    nVocab,
    tokenizer: subject.tokenizer,
  };
  return { request, subject, dataSets, scored, passages, masks, manifest, identity };
}

function directionsOf(
  { model, directions, threshold }: ResolvedRequest,
  subject: Subject,
  masks: Map<string, Float32Array> | null,
): ScoredComponent[] {
  const { model: opened } = subject;
  // Planes are the heads' own coordinates and no directions.
  const kinds = decomposedKinds(opened, kindsOf(opened.architecture));
  const components = listComponents(opened.architecture, kinds, opened.qkSplit);
  if (directions !== 'active') return chooseDirections(directions, components);
  if (!masks) throw new InputError(`--directions active: ${model} is a model, not a run; give all or a list`);
  return activeDirections(masks, threshold, components);
}

/** What is scored when a run is named: its model, written as it was there, and its masks. */
interface ScoredRun extends Pick<ScoreRequest, 'model' | 'qkSplit' | 'rotaryOffsets'> {
  form: WeightForm;
  masks: string;
}

async function runOf(folder: string): Promise<ScoredRun | null> {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path)) return null;
  const { model, weight_form, settings } = await readManifest(path);
  if (settings.basis === 'random')
    throw new InputError(`${folder}: its masks belong to a random basis; singular directions are scored`);
  const { qkSplit, rotaryOffsets } = settings as Pick<ScoredRun, 'qkSplit' | 'rotaryOffsets'>;
  return {
    model: existsSync(model.path) ? model.path : model.id,
    form: weight_form as WeightForm,
    ...(qkSplit && { qkSplit }),
    ...(rotaryOffsets !== undefined && { rotaryOffsets }),
    masks: join(folder, 'masks.safetensors'),
  };
}
