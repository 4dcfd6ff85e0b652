/** `stability.json`: what several circuits have in common, and what that does. Its schema. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { sha256 } from '../formats/file-hash.js';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { intervals, measuredHow } from './measured.js';
import { measuredSet } from './measured-set.js';

const number = z.number();
const text = z.string();
const figure = number.nullable();

const onPrompts = z.object({
  source: text,
  hash: sha256,
  prompts: number,
  /** m of the model; what nothing kept does. */
  full: figure,
  nothing: measuredSet,
  /** Of each run, in their order: its circuit, and what of it is not in the core. */
  circuits: z.array(measuredSet),
  own_parts: z.array(measuredSet).nullable(),
  /** Null where runs have different bases, and no direction in common. */
  core: measuredSet.nullable(),
  core_and_contingent: measuredSet.nullable(),
  union: measuredSet.nullable(),
  /** Random sets of the core's size: their KL, how many lose as much as the core, and the p-value of that count. */
  random: z.object({ kl: z.array(number), beaten: number, of: number, p: number }).nullable(),
});
export type OnPrompts = z.infer<typeof onPrompts>;

const shared = {
  /** Σ cos² of principal angles, what random spaces would share, and the dimensions of the smaller space. */
  shared: number,
  chance: number,
};

const stability = z.object({
  schema_version: z.literal(1),
  measured: z.object({
    ...measuredHow,
    ...intervals,
  }),
  runs: z.array(
    z.object({
      path: text,
      source: text,
      hash: sha256,
      masks: sha256,
      basis: text,
      threshold: number,
      kept: number,
      directions: number,
    }),
  ),
  /** Directions by how many runs keep them; null where runs have different bases. */
  sets: z
    .object({
      /** So many runs or fewer: noise. */
      noise_up_to: number,
      core: z.array(text),
      contingent: z.array(z.object({ direction: text, runs: number })),
      noise: z.array(z.object({ direction: text, runs: number })),
    })
    .nullable(),
  /** On the test prompts of each run; of runs with the same ones, once. */
  on: z.array(onPrompts),
  /** Of each pair of runs, by their places in `runs`: the spaces that they keep. */
  spaces: z.array(
    z.object({
      first: number,
      second: number,
      ...shared,
      smaller: number,
      components: z.array(
        z.object({ component: text, a: number, b: number, angles: z.array(number), ...shared }),
      ),
    }),
  ),
  seconds: number,
});
/** The content of `stability.json`. */
export type Stability = z.infer<typeof stability>;

/**
 * @returns what the file holds
 * @throws InputError if the file is missing or holds no comparison that this program knows
 */
export async function readStability(path: string): Promise<Stability> {
  const content: unknown = await readJson(path);
  const result = stability.safeParse(content);
  if (result.success) return result.data;
  throw new InputError(`${inputErrorOf(result.error, path, content).message}; make it again`);
}
