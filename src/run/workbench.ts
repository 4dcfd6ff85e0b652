/** A subject made ready to be masked: decomposed, and loaded on an engine. */
import { type Basis, inBasis } from '../decompose/basis.js';
import type { Decomposition } from '../decompose/directions.js';
import { type Engine, type EngineChoice, openEngine } from '../engine/engine.js';
import { MaskLayout } from '../masks/layout.js';
import { MaskedModel, type Positions } from '../masks/masked-model.js';
import { checkedKinds, type DecompositionOptions, decomposeSubject, storeFolder } from './decomposition.js';
import { type MaskRunner, runnerInThisThread } from './mask-runner.js';
import type { Subject } from './subject.js';
import { openThreadedRunner } from './threaded-runner.js';

/** Positions (padding included) in one forward and backward pass. */
const TRAIN_TOKENS = 2048;

export interface WorkbenchOptions extends DecompositionOptions, Basis {
  engine: EngineChoice;
  positions: Positions;
}

export interface Workbench {
  subject: Subject;
  engine: Engine;
  decomposition: Decomposition;
  /** Close it when done. */
  runner: MaskRunner;
}

export async function openWorkbench(subject: Subject, options: WorkbenchOptions): Promise<Workbench> {
  // The engine first: one that is asked for and missing must not cost a decomposition.
  const engine = await openEngine({ engine: options.engine });
  const decomposition = await decomposeSubject(subject, options);
  return {
    subject,
    engine,
    decomposition,
    runner: await openRunner(subject, engine, decomposition, options),
  };
}

/** TensorFlow uses all cores by itself; wasm only one, so that there threads share the work if asked for. */
async function openRunner(
  { model }: Subject,
  engine: Engine,
  decomposition: Decomposition,
  { components, positions, workers, store, onProgress, signal, ...options }: WorkbenchOptions,
): Promise<MaskRunner> {
  const { architecture, form, qkSplit, path } = model;
  const kinds = checkedKinds(model, components);
  if (engine.name !== 'wasm' || workers === null || workers === 1) {
    const directions = await inBasis(decomposition, options, architecture);
    const masking = { kinds, positions, onProgress, signal };
    return runnerInThisThread(await MaskedModel.load(engine, model, directions, masking), TRAIN_TOKENS);
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
    maxTokens: TRAIN_TOKENS,
    onProgress,
    signal,
  });
}
