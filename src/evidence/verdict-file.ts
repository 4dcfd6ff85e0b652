/** `verdict.json`, the sheet of what may be claimed of a circuit: its schema, and how it is read. */
import { z } from 'zod';
import { InputError } from '../errors.js';
import { sha256 } from '../formats/file-hash.js';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { measuredHow } from './measured.js';

const number = z.number();
const text = z.string();

/** The sheet's lines, in its order. */
export const LINES = [
  'equivalence',
  'independence',
  'minimality',
  'sufficiency',
  'sufficiency_by_component',
  'necessity',
  'necessity_by_component',
  'necessity_of_rest',
  'knockouts',
  'adversary',
  'other_task',
  'shuffled_weights',
  'found_again',
  'rival',
  'head_groups',
] as const;
export type LineId = (typeof LINES)[number];

/**
 * `for`: the measurement speaks for the circuit; `against`: against it; `open`: it decides nothing; `missing`: it was not
 * made, and `claim` says why.
 */
const OUTCOMES = ['for', 'against', 'open', 'missing'] as const;
export type Outcome = (typeof OUTCOMES)[number];

const line = z.object({
  id: z.enum(LINES),
  title: text,
  outcome: z.enum(OUTCOMES),
  /** In words; null where nothing is tested. */
  null_hypothesis: text.nullable(),
  /** Null where it was not measured. */
  statistic: z.object({ name: text, value: number }).nullable(),
  /** Of what, e.g. `prompts`; null where it was not measured. */
  n: z.object({ value: number, of: text }).nullable(),
  /** Null where nothing is tested. */
  p: number.nullable(),
  /** What `p` was corrected for, and the corrected one; null where nothing else is tested with it. */
  correction: z
    .object({ method: z.enum(['holm', 'benjamini-hochberg']), tests: number, p: number })
    .nullable(),
  /** What may be claimed, in one sentence. */
  claim: text,
  /** What may not. */
  limit: text,
  /** The file in which its numbers are: `verdict.json` itself, under `numbers`; else a path, from the run's folder. */
  file: text,
  numbers: z.record(text, z.unknown()),
});
/** A line of the sheet. */
export type Line = z.infer<typeof line>;

const verdict = z.object({
  schema_version: z.literal(1),
  /** What was measured and how: a figure means nothing without. */
  measured: z.object({
    ...measuredHow,
    /** SHA-256 of the masks file. */
    masks: sha256,
    /** Where the prompts came from, and the hash of what the model saw. */
    source: text,
    hash: sha256,
    /** Prompts of the lines that need few runs, and of the others. */
    prompts: number,
    prompts_of_sets: number,
    threshold: number,
    draws: number,
    alpha: number,
    /** The choices that Miller et al. (2024) ask to be declared: granularity, what is ablated, by what, where, from which base, and how scores are averaged. */
    choices: z.record(text, text),
  }),
  circuit: z.object({ kept: number, directions: number, kl: number, kl_of_nothing: number }),
  lines: z.array(line),
  seconds: number,
});
/** The content of `verdict.json`. */
export type Verdict = z.infer<typeof verdict>;

/**
 * @returns what the file holds
 * @throws InputError if the file is missing or holds no verdict that this program knows
 */
export async function readVerdict(path: string): Promise<Verdict> {
  const content: unknown = await readJson(path);
  const result = verdict.safeParse(content);
  if (result.success) return result.data;
  throw new InputError(`${inputErrorOf(result.error, path, content).message}; make it again`);
}
