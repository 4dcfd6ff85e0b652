/** A subject made ready to be masked: decomposed, and loaded on an engine. */
import { join } from 'node:path';
import { type Basis, inBasis } from '../decompose/basis.js';
import { decompose } from '../decompose/decompose.js';
import type { Decomposition } from '../decompose/directions.js';
import { DecompositionStore } from '../decompose/store.js';
import { type Engine, type EngineChoice, openEngine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import { cacheFolder } from '../formats/cache-folder.js';
import { MaskedModel, type Positions } from '../masks/masked-model.js';
import { type Kind, kindsOf } from '../models/components.js';
import type { Model } from '../models/weights.js';
import { openPool } from '../pool/pool.js';
import type { LongCall } from '../progress.js';
import type { Subject } from './subject.js';

export interface DecomposeSubjectOptions extends LongCall {
  /** Kinds of component; null: all that the architecture has. */
  components: readonly Kind[] | null;
  /** Folder of the store; null: in the cache folder. */
  store: string | null;
  /** Threads; null: one a core. */
  workers: number | null;
}

export interface WorkbenchOptions extends DecomposeSubjectOptions, Basis {
  engine: EngineChoice;
  positions: Positions;
}

export interface Workbench {
  subject: Subject;
  engine: Engine;
  decomposition: Decomposition;
  masked: MaskedModel;
}

/** Decomposes the subject into the store, or finds it there. */
export async function decomposeSubject(
  { model }: Subject,
  { components, store, workers, ...call }: DecomposeSubjectOptions,
): Promise<Decomposition> {
  const kinds = checkedKinds(model, components);
  const pool = await openPool({ workers: workers ?? undefined });
  try {
    const folder = store ?? join(cacheFolder(), 'decompositions');
    return await decompose(model, { kinds, store: new DecompositionStore(folder), pool, ...call });
  } finally {
    await pool.close();
  }
}

export async function openWorkbench(subject: Subject, options: WorkbenchOptions): Promise<Workbench> {
  const { components, engine: choice, positions, onProgress, signal } = options;
  // The engine first: one that is asked for and missing must not cost a decomposition.
  const engine = await openEngine({ engine: choice });
  const singular = await decomposeSubject(subject, options);
  const decomposition = await inBasis(singular, options, subject.model.architecture);
  const kinds = checkedKinds(subject.model, components);
  const masked = await MaskedModel.load(engine, subject.model, decomposition, {
    kinds,
    positions,
    onProgress,
    signal,
  });
  return { subject, engine, decomposition, masked };
}

/**
 * The kinds to mask; all for null.
 * @throws InputError if the architecture lacks one of them
 */
export function checkedKinds({ architecture }: Model, kinds: readonly Kind[] | null): readonly Kind[] {
  const known = kindsOf(architecture);
  const unknown = kinds?.find((kind) => !known.includes(kind));
  if (unknown !== undefined)
    throw new InputError(`--components ${unknown}: a ${architecture.family} model has ${known.join(', ')}`);
  return kinds ?? known;
}
