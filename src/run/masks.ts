/** Masks files and the models they belong to. */
import { type Basis, basisName, SVD_BASIS } from '../decompose/basis.js';
import { InputError } from '../errors.js';
import { MaskLayout } from '../forward/layout.js';
import type { Replacement } from '../forward/masking-rules.js';
import { type Masks, type MasksMetadata, readMasks } from '../masks/masks-file.js';
import { type Component, type Kind, kindsOf, listComponents } from '../models/components.js';
import { splitName } from '../models/qk-split.js';
import type { Model } from '../models/weights.js';
import type { Workbench } from './workbench.js';

export async function masksMetadata(
  { subject: { model }, runner }: Workbench,
  { replacement, ...basis }: Basis & { replacement: Replacement },
): Promise<MasksMetadata> {
  const { kinds } = runner.layout;
  return {
    weightForm: model.form,
    modelHash: await model.hash(),
    basis: basisName(basis),
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
}

/** Reads a masks file for a model, by component, as {@link checkMasks} allows. */
export async function masksFor(
  path: string,
  model: Model,
  basis: Basis = SVD_BASIS,
): Promise<Map<string, Float32Array>> {
  const masks = await readMasks(path);
  await checkMasks(masks, path, model, basis);
  return masks.values;
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
  if (metadata.basis !== undefined && metadata.basis !== basisName(basis)) {
    const [name, seed] = metadata.basis.split(':');
    throw new InputError(
      `${path}: masks over the basis ${metadata.basis}, but ${basisName(basis)} is asked for; ` +
        `give --basis ${name}${seed === undefined ? '' : ` --basis-seed ${seed}`}`,
    );
  }
  const split = splitName(model.qkSplit, model.architecture);
  if (metadata.qkSplit !== undefined && metadata.qkSplit !== split)
    throw new InputError(
      `${path}: masks over QK split by ${metadata.qkSplit}, but ${split} is asked for; see --qk-split and --rotary-offsets`,
    );
  if (metadata.modelHash !== undefined && metadata.modelHash !== (await model.hash()))
    throw new InputError(
      `${path}: these masks were learned on another model than ${model.path}; give that one`,
    );
  const components = listComponents(model.architecture, undefined, model.qkSplit);
  for (const [name, masks] of values) {
    const component = components.find((candidate) => candidate.name === name);
    if (!component) throw new InputError(`${path}: "${name}" is no component of ${model.path}`);
    if (masks.length !== component.rank)
      throw new InputError(
        `${path}: "${name}" has ${masks.length} masks, the model ${component.rank} directions`,
      );
  }
}

/** Reads a masks file for a model, as {@link masksFor} does, into one vector. */
export async function loadMasks(path: string, model: Model, basis: Basis): Promise<LoadedMasks> {
  return laidOut(await masksFor(path, model, basis), model);
}

/** Masks of a model's components as one vector. */
export function laidOut(values: ReadonlyMap<string, Float32Array>, model: Model): LoadedMasks {
  const components = listComponents(model.architecture, undefined, model.qkSplit);
  const kinds = kindsOf(model.architecture).filter((kind) =>
    components.some((component) => component.kind === kind && values.has(component.name)),
  );
  const layout = new MaskLayout(model.architecture, kinds, model.qkSplit);
  const flat = new Float32Array(layout.size).fill(1);
  for (const [name, view] of layout.split(flat)) {
    const masks = values.get(name);
    if (masks) view.set(masks);
  }
  const masked = layout.components.filter(({ name }) => values.has(name));
  return { kinds, values: flat, masked };
}
