/** A subject made ready to be masked: decomposed, and loaded on an engine. */
import { type Basis, inBasis } from '../decompose/basis.js';
import type { Decomposition } from '../decompose/directions.js';
import { type Engine, type EngineChoice, openEngine } from '../engine/engine.js';
import { MaskedModel, type Positions } from '../masks/masked-model.js';
import { checkedKinds, type DecompositionOptions, decomposeSubject } from './decomposition.js';
import type { Subject } from './subject.js';

export interface WorkbenchOptions extends DecompositionOptions, Basis {
  engine: EngineChoice;
  positions: Positions;
}

export interface Workbench {
  subject: Subject;
  engine: Engine;
  decomposition: Decomposition;
  masked: MaskedModel;
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
