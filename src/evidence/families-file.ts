/** `families.json`: families of prompts, and a circuit for each. Its schema. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { sha256 } from '../formats/file-hash.js';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { intervals, measuredHow } from './measured.js';
import { measuredSet } from './measured-set.js';

const number = z.number();
const text = z.string();
const interval = z.tuple([number, number]);
const bySplit = z.object({ train: number, validation: number, test: number });
const agreement = z.object({ adjusted_rand: number, purity: number });

/** A circuit that was trained on a part of the prompts. */
const partCircuit = z.object({
  prompts: bySplit,
  /** Its directions that the joint circuit keeps as well. */
  shared: number,
  /** On the test prompts of its part, and the joint circuit on the same; null where there are none. */
  own: measuredSet.nullable(),
  joint: measuredSet.nullable(),
  /** On all other test prompts. */
  others: measuredSet.nullable(),
});
export type PartCircuit = z.infer<typeof partCircuit>;

/** Parts of the prompts with a circuit each, together: every test prompt is run with its own part's. */
const together = z.object({
  /** Directions of a part's circuit, mean over test prompts. */
  kept: number,
  /** Directions that any of the circuits keeps. */
  union: number,
  kl: number,
  f: number.nullable(),
  /** KL minus the joint circuit's on the same prompts. */
  above_joint: z.object({ kl: number, confidence: interval }),
});
export type Together = z.infer<typeof together>;

const families = z.object({
  schema_version: z.literal(1),
  measured: z.object({
    ...measuredHow,
    ...intervals,
    /** SHA-256 of the joint circuit's masks. */
    masks: sha256,
    /** What attributions are of. */
    score: text,
    source: text,
    hash: sha256,
    prompts: bySplit,
  }),
  /** How well each number of families separates the training prompts, and what was asked for; null: the best. */
  asked: number.nullable(),
  silhouettes: z.array(z.object({ families: number, silhouette: number })),
  /** The run's circuit on all test prompts. */
  joint: measuredSet,
  families: z.array(partCircuit.extend({ examples: z.array(text) })),
  /** The same with prompts dealt out at random to parts of the same sizes. */
  random: z.array(partCircuit),
  together: z.object({
    families: together,
    random: together,
    /** KL of families minus KL of random parts, on the same prompts. */
    difference: z.object({ kl: number, confidence: interval }),
  }),
  /** How far families are the groups that prompts have; null where they have no two. */
  groups: z
    .object({
      train: agreement,
      test: agreement,
      /** Test prompts of each group: how many are in each family, and what the joint circuit does on them. */
      each: z.array(z.object({ group: text, families: z.array(number), joint: measuredSet })),
    })
    .nullable(),
  seconds: number,
});
/** The content of `families.json`. */
export type Families = z.infer<typeof families>;

/**
 * @returns what the file holds
 * @throws InputError if the file is missing or holds no families that this program knows
 */
export async function readFamilies(path: string): Promise<Families> {
  const content: unknown = await readJson(path);
  const result = families.safeParse(content);
  if (result.success) return result.data;
  throw new InputError(`${inputErrorOf(result.error, path, content).message}; make it again`);
}
