/** Masks files and the models they belong to. */
import { type Basis, SVD_BASIS } from '../decompose/basis.js';
import { InputError } from '../errors.js';
import { MaskLayout } from '../forward/layout.js';
import type { Replacement } from '../forward/masking-rules.js';
import { type Masks, type MasksMetadata, readMasks } from '../masks/masks-file.js';
import { type Component, type Kind, kindsOf, listComponents } from '../models/components.js';
import { splitName } from '../models/qk-split.js';
import type { Model } from '../models/weights.js';
import { basisNameOf, ranksBefore } from './basis.js';
import type { Workbench } from './workbench.js';

export async function masksMetadata(
  { subject: { model }, runner, basis }: Workbench,
  { replacement }: { replacement: Replacement },
): Promise<MasksMetadata> {
  const { kinds } = runner.layout;
  return {
    weightForm: model.form,
    modelHash: await model.hash(),
    basis,
    qkSplit: splitName(model.qkSplit, model.architecture),
    components: kinds,
    rules: Object.fromEntries(kinds.map((kind) => [kind, kind === 'qk' ? 'scale' : replacement])),
  };
}

export interface LoadedMasks {
  /** Kinds of which the file masks at least one component. */
  kinds: Kind[];
  /** Flat vector in the layout of these kinds. */
  values: Float32Array;
  /** Components that the file has masks for. All others run whole: those of the same kinds have masks of 1. */
  masked: Component[];
  /** Name of the basis, where the file says it. */
  basisName: string | null;
}

/** Reads a masks file for a model, by component, as {@link checkMasks} allows. */
export async function masksFor(
  path: string,
  model: Model,
  basis: Basis = SVD_BASIS,
): Promise<Map<string, Float32Array>> {
  return (await checkedMasks(path, model, basis)).values;
}

async function checkedMasks(path: string, model: Model, basis: Basis): Promise<Masks> {
  const masks = await readMasks(path);
  await checkMasks(masks, path, model, basis);
  return masks;
}

/**
 * @param path where they come from, for messages
 * @throws InputError if masks were made for another model, weight form, basis or split, or their components are not the
 *   model's
 */
export async function checkMasks(
  { values, metadata }: Masks,
  path: string,
  model: Model,
  basis: Basis,
): Promise<void> {
  if (metadata.weightForm !== undefined && metadata.weightForm !== model.form)
    throw new InputError(
      `${path}: masks of the weight form "${metadata.weightForm}", but "${model.form}" is asked for; give --form ${metadata.weightForm}`,
    );
  if (metadata.basis !== undefined) await checkBasis(metadata.basis, path, basis);
  const split = splitName(model.qkSplit, model.architecture);
  if (metadata.qkSplit !== undefined && metadata.qkSplit !== split)
    throw new InputError(
      `${path}: masks over QK split by ${metadata.qkSplit}, but ${split} is asked for; see --qk-split and --rotary-offsets`,
    );
  if (metadata.modelHash !== undefined && metadata.modelHash !== (await model.hash()))
    throw new InputError(
      `${path}: these masks were learned on another model than ${model.path}; give that one`,
    );
  const components = listComponents(model.architecture, undefined, model.qkSplit, ranksBefore(model, basis));
  for (const [name, masks] of values) {
    const component = components.find((candidate) => candidate.name === name);
    if (!component) throw new InputError(`${path}: "${name}" is no component of ${model.path}`);
    // How many a file of directions gives is known when it is opened.
    if (basis.basis !== 'loaded' && masks.length !== component.rank)
      throw new InputError(
        `${path}: "${name}" has ${masks.length} masks, the model ${component.rank} directions`,
      );
  }
}

/** @throws InputError if masks are over another basis than is asked for */
async function checkBasis(own: string, path: string, basis: Basis): Promise<void> {
  const asked = await basisNameOf(basis, null);
  // Principal components are found in the store by the name that the masks have.
  if (own === asked || (asked === 'principal' && own.startsWith('principal:'))) return;
  const [name, rest] = own.split(':');
  const further = { random: ` --basis-seed ${rest}`, loaded: ' --basis-file with its file' }[name!] ?? '';
  throw new InputError(
    `${path}: masks over the basis ${own}, but ${asked} is asked for; give --basis ${name}${further}`,
  );
}

/** Reads a masks file for a model, as {@link masksFor} does, into one vector. */
export async function loadMasks(path: string, model: Model, basis: Basis): Promise<LoadedMasks> {
  return laidOut(await checkedMasks(path, model, basis), model, basis);
}

/**
 * Masks of a model's components as one vector.
 * @throws InputError if some masks of a loaded basis are missing, whose number only those would tell
 */
export function laidOut(
  { values, metadata }: Masks,
  model: Model,
  basis: Pick<Basis, 'basis'> = SVD_BASIS,
): LoadedMasks {
  const ranks = { ...ranksBefore(model, basis), ...lengthsOf(values) };
  const components = listComponents(model.architecture, undefined, model.qkSplit);
  const kinds = kindsOf(model.architecture).filter((kind) =>
    components.some((component) => component.kind === kind && values.has(component.name)),
  );
  const layout = new MaskLayout(model.architecture, kinds, model.qkSplit, ranks);
  const absent = layout.components.find(({ name }) => !values.has(name));
  if (basis.basis === 'loaded' && absent)
    throw new InputError(
      `masks over a loaded basis: those of ${absent.name} are missing; give masks for all of a kind`,
    );
  const flat = new Float32Array(layout.size).fill(1);
  for (const [name, view] of layout.split(flat)) {
    const masks = values.get(name);
    if (masks) view.set(masks);
  }
  const masked = layout.components.filter(({ name }) => values.has(name));
  return { kinds, values: flat, masked, basisName: metadata.basis ?? null };
}

function lengthsOf(values: ReadonlyMap<string, Float32Array>): Record<string, number> {
  return Object.fromEntries([...values].map(([name, { length }]) => [name, length]));
}
