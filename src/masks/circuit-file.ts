/** A circuit as JSON, for other programs: which directions of which components it keeps, and what they are directions of. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { sha256 } from '../formats/file-hash.js';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { parseComponentName } from '../models/components.js';
import type { Masks } from './masks-file.js';

const text = z.string();
const mask = z.number().min(0).max(1);

const component = z
  .object({
    /** How many directions the component has in the basis. */
    directions: z.int().min(1),
    /** Those that the circuit keeps, counted from 0, ascending. */
    kept: z.array(z.int().min(0)),
    /** One for each direction, where they are others than 1 for what is kept and 0 for the rest. */
    masks: z.array(mask).optional(),
  })
  .refine(({ directions, kept }) => kept.every((k, i) => k < directions && (i === 0 || k > kept[i - 1]!)), {
    message: 'kept must hold directions in ascending order, below the number of directions',
  })
  .refine(({ directions, masks }) => masks === undefined || masks.length === directions, {
    message: 'there must be as many masks as directions',
  });

const circuitFile = z.object({
  format: z.literal('orthoscope-circuit'),
  schema_version: z.literal(1),
  model: z.object({ id: text.nullable(), hash: sha256.nullable() }),
  /** How weights were written when they were decomposed; null where that is not known. */
  weight_form: text.nullable(),
  /** What the directions are: `svd`, `random:3`, `coordinates`, …; null where that is not known. */
  basis: text.nullable(),
  /** How QK was split: `svd`, or with rotary positions `rotary 64` or `plane`. */
  qk_split: text.nullable(),
  /** By kind, what becomes of a coefficient that is left out. */
  replacement: z.record(text, text),
  /** Masks above it are kept. */
  threshold: z.number(),
  /** Components by name; those without an entry run whole. */
  components: z.record(text, component),
});
/** The content of the file. */
export type CircuitFile = z.infer<typeof circuitFile>;

/** Masks as a circuit. @param id how the model is called */
export function circuitOf({ values, metadata }: Masks, threshold: number, id: string | null): CircuitFile {
  const whole = (masks: Float32Array) => masks.every((mask) => mask === 0 || mask === 1);
  return {
    format: 'orthoscope-circuit',
    schema_version: 1,
    model: { id, hash: metadata.modelHash ?? null },
    weight_form: metadata.weightForm ?? null,
    basis: metadata.basis ?? null,
    qk_split: metadata.qkSplit ?? null,
    replacement: metadata.rules ?? {},
    threshold,
    components: Object.fromEntries(
      [...values].map(([name, masks]) => [
        name,
        {
          directions: masks.length,
          kept: [...masks.keys()].filter((k) => masks[k]! > threshold),
          ...(!whole(masks) && { masks: Array.from(masks) }),
        },
      ]),
    ),
  };
}

/** A circuit as masks: its own where it has some, else 1 for what it keeps and 0 for the rest. */
export function masksOfCircuit({
  components,
  model,
  weight_form,
  basis,
  qk_split,
  replacement,
}: CircuitFile): Masks {
  return {
    values: new Map(
      Object.entries(components).map(([name, { directions, kept, masks }]) => {
        const keeps = new Set(kept);
        const binary = () => Array.from({ length: directions }, (_, k) => Number(keeps.has(k)));
        return [name, Float32Array.from(masks ?? binary())];
      }),
    ),
    metadata: {
      modelHash: model.hash ?? undefined,
      weightForm: weight_form ?? undefined,
      basis: basis ?? undefined,
      qkSplit: qk_split ?? undefined,
      components: [...new Set(Object.keys(components).map((name) => parseComponentName(name)!.kind))],
      rules: replacement,
    },
  };
}

/** @throws InputError if the file is missing or holds no circuit */
export async function readCircuitFile(path: string): Promise<CircuitFile> {
  const content = await readJson(path);
  const result = circuitFile.safeParse(content);
  if (!result.success) throw inputErrorOf(result.error, path, content);
  const wrong = Object.keys(result.data.components).find((name) => parseComponentName(name) === null);
  if (wrong !== undefined)
    throw new InputError(`${path}: "${wrong}" is no component's name, such as L9H6.qk or L4.mlp_in`);
  return result.data;
}
