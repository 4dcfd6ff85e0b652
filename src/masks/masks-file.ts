/** `masks.safetensors`: the learned masks of a run, one tensor a component. */
import { InputError } from '../errors.js';
import { isRecord, parseJson } from '../formats/json-file.js';
import { openSafetensors } from '../formats/safetensors.js';
import { type TensorData, writeSafetensors } from '../formats/safetensors-write.js';
import { parseComponentName } from '../models/components.js';

const SCHEMA_VERSION = '1';

/** What the masks belong to. A file made elsewhere may say nothing of it. */
export interface MasksMetadata {
  weightForm?: string;
  /** Content hash of the model. */
  modelHash?: string;
  /** Basis that the masked directions are of: `svd`, or `random:` and its seed. */
  basis?: string;
  /** How QK was split: `svd`, or with rotary positions `rotary 64` or `plane`. */
  qkSplit?: string;
  /** Kinds of component that were masked, e.g. `qk`. */
  components?: string[];
  /** Replacement rule by kind. */
  rules?: Record<string, string>;
}

/** Masks of a model, with what they belong to. */
export interface Masks {
  /** By component name: one value in [0, 1] a direction, singular values descending. */
  values: Map<string, Float32Array>;
  metadata: MasksMetadata;
}

/**
 * Writes masks with their metadata.
 * @throws RangeError if a name is no component's or a value is not in [0, 1]; InputError if it cannot be written
 * @example
 * import { readMasks, writeMasks } from 'orthoscope';
 *
 * const { values, metadata } = await readMasks('runs/ioi/masks.safetensors');
 * values.get('L0H0.qk').fill(0);
 * await writeMasks('without-a-head.safetensors', { values, metadata });
 */
export async function writeMasks(path: string, { values, metadata }: Masks): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const [name, data] of values) {
    const fault = maskFault(name, data);
    if (fault) throw new RangeError(fault);
    tensors.set(name, { dtype: 'F32', shape: [data.length], data });
  }
  const { weightForm, modelHash, basis, qkSplit, components, rules } = metadata;
  await writeSafetensors(path, tensors, {
    schema_version: SCHEMA_VERSION,
    ...(weightForm !== undefined && { weight_form: weightForm }),
    ...(modelHash !== undefined && { model_hash: modelHash }),
    ...(basis !== undefined && { basis }),
    ...(qkSplit !== undefined && { qk_split: qkSplit }),
    ...(components && { components: components.join(',') }),
    ...(rules && { rules: JSON.stringify(rules) }),
  });
}

/**
 * Reads masks. Metadata may be missing, so that a file of nothing but tensors, made by another tool, will do.
 * @throws InputError if the file breaks the format, holds no masks, or a tensor has a name that is no
 *   component's, another shape than a list, another dtype than F32, or a value outside [0, 1]
 * @example
 * import { readMasks } from 'orthoscope';
 *
 * const { values, metadata } = await readMasks('runs/ioi/masks.safetensors');
 * console.log(metadata.modelHash, [...values.keys()].length);
 */
export async function readMasks(path: string): Promise<Masks> {
  const source = await openSafetensors(path);
  try {
    const metadata = parseMetadata(source.metadata, path);
    const values = new Map<string, Float32Array>();
    for (const name of source.names()) {
      const { dtype, shape } = source.info(name);
      if (dtype !== 'F32' || shape.length !== 1)
        throw new InputError(
          `${path}: mask "${name}" is ${dtype} of shape [${shape}]; masks are lists of F32`,
        );
      const data = await source.readFloat32(name);
      const fault = maskFault(name, data);
      if (fault) throw new InputError(`${path}: ${fault}`);
      values.set(name, data);
    }
    if (values.size === 0) throw new InputError(`${path}: holds no masks`);
    return { values, metadata };
  } finally {
    await source.close();
  }
}

function maskFault(name: string, data: Float32Array): string | null {
  if (!parseComponentName(name)) return `"${name}" is no component's name, such as L9H6.qk or L4.mlp_in`;
  // Written so that NaN fails, too.
  const index = data.findIndex((value) => !(value >= 0 && value <= 1));
  return index < 0 ? null : `mask "${name}" holds ${data[index]} at index ${index}; masks lie in [0, 1]`;
}

function parseMetadata(stored: Readonly<Record<string, string>>, path: string): MasksMetadata {
  const version = stored.schema_version;
  if (version !== undefined && version !== SCHEMA_VERSION)
    throw new InputError(
      `${path}: schema version ${version}, this program reads ${SCHEMA_VERSION}; was it written by a later one?`,
    );
  return {
    weightForm: stored.weight_form,
    modelHash: stored.model_hash,
    basis: stored.basis,
    qkSplit: stored.qk_split,
    components: stored.components?.split(','),
    rules: stored.rules === undefined ? undefined : parseRules(stored.rules, path),
  };
}

function parseRules(text: string, path: string): Record<string, string> {
  let rules: unknown;
  try {
    rules = parseJson(text);
  } catch {
    rules = null;
  }
  if (!isRecord(rules) || Object.values(rules).some((rule) => typeof rule !== 'string'))
    throw new InputError(`${path}: metadata "rules" is not a JSON object of component kind: rule`);
  return rules as Record<string, string>;
}
