/**
 * Statistics of a data set on disk, whole or up to some block: what a run resumes from and what shards are joined
 * from. Eight bytes with the length of a JSON header, the header, then the states of all directions.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { InputError } from '../errors.js';
import { writeAtomically } from '../formats/atomic-file.js';
import { fileError } from '../formats/file-error.js';
import { sha256 } from '../formats/file-hash.js';
import { parseJson, readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import type { States } from './reader-threads.js';
import { type ExampleSizes, NO_EXAMPLES, stateBytes } from './statistics-state.js';

const count = z.int().nonnegative();

/** What was counted while a data set was read. */
export const countersSchema = z.strictObject({
  /** Records of the data set, malformed ones and those of other shards included. */
  records: count,
  /** Prompts scored, corrupted ones included. */
  prompts: count,
  tokens: count,
  /** Passages beyond one a prompt. */
  windows: count,
  rejected: count,
});

export type Counters = z.infer<typeof countersSchema>;

export const NO_COUNTS: Counters = { records: 0, prompts: 0, tokens: 0, windows: 0, rejected: 0 };

const headerSchema = z.strictObject({
  schema_version: z.literal(1),
  data_set: z.string(),
  /** What states can be joined with: model, directions, sizes. */
  identity: sha256,
  shard: z.tuple([z.int().positive(), z.int().positive()]),
  /** Blocks read so far, those of other shards included. */
  blocks: count,
  /** Whether the data set was read to its end. */
  complete: z.boolean(),
  counters: countersSchema,
  /** Chained hash of all records read so far. */
  data_hash: sha256,
  /** Length of `rejected.jsonl` so far. */
  rejected_bytes: count,
  bytes: z.strictObject({ clean: count, corrupted: count }),
  sha256,
});

export type StateHeader = z.infer<typeof headerSchema>;

export interface StateFile {
  header: Omit<StateHeader, 'schema_version' | 'bytes' | 'sha256'>;
  states: States;
}

export async function writeStateFile(path: string, { header, states }: StateFile): Promise<void> {
  const full: StateHeader = {
    schema_version: 1,
    ...header,
    bytes: { clean: states.clean.length, corrupted: states.corrupted.length },
    sha256: checksum(states),
  };
  const json = Buffer.from(JSON.stringify(full));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  await writeAtomically(path, async (handle) => {
    for (const part of [length, json, states.clean, states.corrupted]) await handle.writeFile(part);
  });
}

/** What of `counts.json` is read: by data set. */
const counts = z.record(z.string(), countersSchema);

/** @throws InputError if the file is missing or damaged */
export async function readCounts(path: string): Promise<Record<string, Counters>> {
  const content = await readJson(path);
  const result = counts.safeParse(content);
  if (!result.success) throw inputErrorOf(result.error, path, content);
  return result.data;
}

/** What the states in a file are of. */
export interface StateOf {
  /** How many. */
  directions: number;
  sizes: ExampleSizes;
}

/** @throws InputError if the file is missing, damaged, or of another number or size of directions */
export async function readStateFile(path: string, { directions, sizes }: StateOf): Promise<StateFile> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, path);
  }
  try {
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const {
      schema_version: _,
      bytes: lengths,
      sha256,
      ...header
    } = headerSchema.parse(parseJson(bytes.subarray(8, start).toString()));
    const middle = start + lengths.clean;
    // Copied, since typed arrays of eight-byte numbers must begin on a multiple of eight.
    const states = {
      clean: new Uint8Array(bytes.subarray(start, middle)),
      corrupted: new Uint8Array(bytes.subarray(middle, middle + lengths.corrupted)),
    };
    if (checksum(states) !== sha256) throw new Error('its checksum does not hold');
    if (states.clean.length !== directions * stateBytes(sizes))
      throw new Error(`its clean states are not those of ${directions} directions`);
    if (states.corrupted.length !== directions * stateBytes(NO_EXAMPLES))
      throw new Error(`its corrupted states are not those of ${directions} directions`);
    return { header, states };
  } catch (error) {
    const reason = error instanceof z.ZodError ? 'its header is wrong' : (error as Error).message;
    throw new InputError(
      `${path}: not a file of statistics that can be read (${reason}); score this part again`,
    );
  }
}

function checksum({ clean, corrupted }: States): string {
  return createHash('sha256').update(clean).update(corrupted).digest('hex');
}
