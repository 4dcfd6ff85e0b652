/** Opens a model or a run's model with its directions, for `work`. */
import type { Decomposition } from '../decompose/directions.js';
import { type Engine, type EngineChoice, openEngine } from '../engine/engine.js';
import { InputError } from '../errors.js';
import type { RunFolder } from '../formats/run-folder.js';
import type { MaskLayout } from '../forward/layout.js';
import { MaskedModel } from '../forward/masked-model.js';
import type { Positions } from '../forward/masking-rules.js';
import { decomposedKinds, type Kind, kindsOf, listComponents } from '../models/components.js';
import type { EndWeights } from '../models/weights.js';
import type { Listener } from '../progress.js';
import { type DecompositionOptions, decomposeSubject } from '../run/decomposition.js';
import { masksFor } from '../run/masks.js';
import { checkModel } from '../run/source.js';
import { type Subject, type SubjectOptions, withSubject } from '../run/subject.js';
import { activeDirections, chooseDirections, type ScoredComponent } from '../score/chosen-directions.js';
import { type Settings, tableOf } from '../settings/commands.js';
import { settingsOf } from '../settings/complete.js';
import { promptSettings } from '../settings/run-settings.js';
import { type Direction, directionName, directionsOf } from './coefficients.js';
import type { TakenApart } from './taken-apart.js';

export interface ApartOptions
  extends Omit<SubjectOptions, 'onProgress' | 'signal'>,
    Omit<DecompositionOptions, 'components' | 'onProgress' | 'signal'> {
  /** Folder or hub id. */
  model: string;
  /** The run that brought model and masks, if one did. */
  run: RunFolder | null;
  /** masks.safetensors of a circuit. */
  masks: string | null;
  /** A direction is active if its mask is above this. */
  threshold: number;
  /** Positions on which a circuit's OV and MLP masks act; the last ones by default. */
  positions?: Positions;
  engine: EngineChoice;
}

/** Of a circuit, by component; null where there is none. */
export type Masks = ReadonlyMap<string, Float32Array> | null;

/** A model and its directions. */
export interface Opened {
  subject: Subject;
  engine: Engine;
  decomposition: Decomposition;
  ends: EndWeights;
  /** Kinds of the directions. */
  kinds: readonly Kind[];
  masks: Masks;
  /** Names of the circuit's directions; empty without one. */
  circuit: ReadonlySet<string>;
}

/** A model and a circuit's masks. @throws InputError if the model, the run or the masks cannot be used */
export function withMasks<T>(
  options: ApartOptions,
  listener: Listener,
  work: (subject: Subject, masks: Masks) => Promise<T>,
): Promise<T> {
  const { run } = options;
  const basis = run?.manifest.settings.basis ?? 'svd';
  if (run && basis !== 'svd')
    throw new InputError(
      `${run.path}: its masks are over the basis ${String(basis)}; singular directions are read`,
    );
  return withSubject(options.model, { ...options, ...listener }, async (subject) => {
    await checkModel(subject.model, run);
    return work(subject, options.masks === null ? null : await masksFor(options.masks, subject.model));
  });
}

/**
 * {@link withMasks}, with directions.
 * @param kindsFor which kinds' directions are needed; asked once the model's are known
 */
export function withDirections<T>(
  options: ApartOptions,
  kindsFor: (subject: Subject, masks: Masks) => readonly Kind[],
  listener: Listener,
  work: (opened: Opened) => Promise<T>,
): Promise<T> {
  return withMasks(options, listener, async (subject, masks) => {
    const { model } = subject;
    const kinds = kindsFor(subject, masks);
    // The engine first: one that is asked for and missing must not cost a decomposition.
    const engine = await openEngine(options);
    listener.onNote?.(`engine ${engine.name} (${engine.version}): ${engine.reason}`);
    const decomposition = await decomposeSubject(subject, { ...options, ...listener, components: kinds });
    const circuit = new Set(
      masks
        ? directionsOf(activeDirections(masks, options.threshold, componentsOf(subject))).map(directionName)
        : [],
    );
    return work({ subject, engine, decomposition, ends: await model.ends(), kinds, masks, circuit });
  });
}

/** The same on its engine, to be run on prompts. */
export async function onEngine<T>(
  { subject: { model }, engine, decomposition, ends, kinds }: Opened,
  { positions, ...listener }: { positions?: Positions } & Listener,
  work: (apart: TakenApart) => Promise<T>,
): Promise<T> {
  const running = await MaskedModel.load(engine, model, decomposition, { kinds, positions, ...listener });
  try {
    return await work({ model, decomposition, running, ends });
  } finally {
    running.dispose();
  }
}

/** {@link withDirections} and {@link onEngine} at once. */
export function withTakenApart<T>(
  options: ApartOptions,
  kindsFor: (subject: Subject, masks: Masks) => readonly Kind[],
  listener: Listener,
  work: (opened: Opened & { apart: TakenApart }) => Promise<T>,
): Promise<T> {
  const { positions } = options;
  return withDirections(options, kindsFor, listener, (opened) =>
    onEngine(opened, { positions, ...listener }, (apart) => work({ ...opened, apart })),
  );
}

/** Components that have directions: planes are the heads' own coordinates and none. */
function componentsOf({ model }: Subject) {
  const kinds = decomposedKinds(model, kindsOf(model.architecture));
  return listComponents(model.architecture, kinds, model.qkSplit);
}

/**
 * @param list `active`, `all` or names
 * @param kinds only directions of such components; null: of all
 * @throws InputError if there is no such direction, or no circuit whose active ones could be meant
 */
export function chosenDirections(
  { list, kinds, threshold }: { list: string; kinds: readonly Kind[] | null; threshold: number },
  subject: Subject,
  masks: Masks,
): Direction[] {
  const components = componentsOf(subject);
  const found = (): ScoredComponent[] => {
    if (list !== 'active') return chooseDirections(list, components);
    if (masks) return activeDirections(masks, threshold, components);
    throw new InputError('--directions active: is for a run; give --masks, or names such as L0H1.ov.0-3');
  };
  const chosen = directionsOf(found()).filter(({ component }) => kinds?.includes(component.kind) ?? true);
  if (chosen.length > 0) return chosen;
  throw new InputError(`--directions ${list}: none of them are of --kinds ${kinds!.join(',')}`);
}

/** 1 for a circuit's directions, else 0, in the layout's order; components without masks keep all of theirs. */
export function circuitMasks(
  layout: MaskLayout,
  masks: ReadonlyMap<string, Float32Array>,
  threshold: number,
): Float32Array {
  const flat = new Float32Array(layout.size).fill(1);
  for (const [name, view] of layout.split(flat)) {
    const own = masks.get(name);
    if (own) view.set(own.map((mask) => Number(mask > threshold)));
  }
  return flat;
}

/** A run's settings and masks, as defaults of another command on it; its prompts only where no others are given. */
export function inherited<Of extends 'interpret' | 'intervene' | 'trace' | 'heads' | 'edges'>(
  command: Of,
  run: RunFolder | null,
  { task, data }: { task?: string | null; data?: string | null },
): Partial<Settings<Of>> {
  if (!run) return {};
  const own = settingsOf(tableOf(command), run.manifest) as Partial<Settings<Of>>;
  const settings = { ...own, masks: run.file('masks.safetensors') };
  if (task == null && data == null) return settings;
  const others = Object.entries(settings).filter(
    ([key]) => key === 'seed' || !Object.hasOwn(promptSettings, key),
  );
  return Object.fromEntries(others) as Partial<Settings<Of>>;
}
