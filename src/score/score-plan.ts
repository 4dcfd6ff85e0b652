/** What `score` is asked for, opened and checked before anything long begins. */
import { createHash } from 'node:crypto';
import { InputError } from '../errors.js';
import type { Manifest } from '../formats/manifest.js';
import { decomposedKinds, kindsOf, listComponents } from '../models/components.js';
import type { LongCall } from '../progress.js';
import { masksFor } from '../run/masks.js';
import { newManifest } from '../run/session.js';
import { type Subject, withSubject } from '../run/subject.js';
import type { Settings } from '../settings/commands.js';
import { activeDirections, chooseDirections, type ScoredComponent } from './chosen-directions.js';
import { type DataSet, dataSetsOf } from './data-sets.js';
import type { PassageSettings } from './passages.js';

/** Settings of `score`, with all that a run's folder stands for spelled out. */
export type ScoreRequest = Omit<
  Settings<'score'>,
  'run' | 'model' | 'redis' | 'local' | 'shards' | 'out' | 'resume'
> & {
  /** Folder or hub id. */
  model: string;
};

export interface ScorePlan {
  request: ScoreRequest;
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
  request: ScoreRequest,
  call: LongCall,
  work: (plan: ScorePlan) => Promise<T>,
): Promise<T> {
  const dataSets = await dataSetsOf(request.data, request.format);
  return withSubject(request.model, { ...request, ...call }, async (subject) =>
    work(await planOf(request, subject, dataSets)),
  );
}

async function planOf(request: ScoreRequest, subject: Subject, dataSets: DataSet[]): Promise<ScorePlan> {
  const masks = request.masks ? await masksFor(request.masks, subject.model) : null;
  const scored = directionsOf(request, subject, masks);
  const { bos, directions, threshold, positions, long, maxTokens, examples, context } = request;
  const determining = {
    ...{ bos, directions, positions, long, max_tokens: maxTokens, examples, context },
    ...(directions === 'active' && { threshold }),
    qk_split: subject.model.qkSplit.by,
    rotary_offsets: subject.model.qkSplit.offsets,
  };
  const manifest = await newManifest({ command: 'score', settings: request, subject });
  const names = scored.map(({ component, indices }) => `${component.name} ${indices.join(' ')}`);
  const identity = createHash('sha256')
    .update(JSON.stringify([manifest.model.hash, subject.model.form, determining, names]))
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
  { model, directions, threshold }: ScoreRequest,
  subject: Subject,
  masks: Map<string, Float32Array> | null,
): ScoredComponent[] {
  const { model: opened } = subject;
  // Planes are the heads' own coordinates and no directions.
  const kinds = decomposedKinds(opened, kindsOf(opened.architecture));
  const components = listComponents(opened.architecture, kinds, opened.qkSplit);
  if (directions !== 'active') return chooseDirections(directions, components);
  if (!masks)
    throw new InputError(
      `--directions active: ${model} is a model, not a run; give --masks, or all or a list`,
    );
  return activeDirections(masks, threshold, components);
}
