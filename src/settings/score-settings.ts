/** Settings of `score`: what directions are read, where, over which data, and what is kept. */
import { z } from 'zod';
import { RECORD_FORMATS } from '../formats/record-format.js';
import { readShard, shardName } from '../shard.js';
import { LONG_PROMPTS, RANKINGS, SCORED_POSITIONS, VALUE_TYPES } from './choices.js';
import { evaluateSettings } from './run-settings.js';
import { listOf, oneOf, text, whole } from './schemas.js';
import { table } from './table.js';

const SHARD = 'give a part and the number of parts, such as 2/8';

export const shardSchema = z
  .strictObject({ index: z.int(SHARD).min(1, SHARD), of: z.int(SHARD).min(1, SHARD) }, SHARD)
  .refine(({ index, of }) => index <= of, SHARD);

/** A shard as text. */
export const shardText = { read: readShard, write: shardName } as const;

/** What the statistics follow from, besides model and data. */
export const scoreSettings = table(
  { group: 'Scoring', determines: true },
  {
    directions: {
      schema: text,
      default: 'all',
      describe: 'all, active (of a circuit), or names: L0H1.qk.3,L2.mlp_in.0-9,L1H0.ov',
    },
    masks: {
      schema: text.nullable(),
      default: null,
      path: true,
      otherwise: "the run's",
      describe: 'masks.safetensors of the circuit whose active directions are meant',
    },
    threshold: {
      ...evaluateSettings.threshold,
      describe: 'A direction is active if its mask is above this',
    },
    positions: {
      schema: oneOf(SCORED_POSITIONS),
      default: 'last',
      describe: 'Scored positions: the last token, all, or the tokens of the answer',
    },
    long: {
      schema: oneOf(LONG_PROMPTS),
      default: 'window',
      describe: 'Prompts beyond the context are cut into windows, or refused',
    },
    maxTokens: {
      schema: whole(1).nullable(),
      default: null,
      otherwise: "the model's context",
      describe: 'Most tokens of a window',
    },
    // All examples are in memory at once.
    examples: {
      schema: whole(0, 1000),
      default: 5,
      describe: 'Prompts kept at each end of each direction',
    },
    context: { schema: whole(1, 10_000), default: 16, describe: 'Tokens kept of each example' },
    format: {
      schema: oneOf(RECORD_FORMATS).nullable(),
      default: null,
      otherwise: 'as the name says',
      describe: 'Format of the data',
    },
    values: {
      schema: oneOf(VALUE_TYPES).nullable(),
      default: null,
      otherwise: 'no',
      describe: 'Also write every value, into scores.parquet',
    },
    shard: {
      schema: shardSchema,
      default: { index: 1, of: 1 },
      text: shardText,
      describe: 'This part of so many, e.g. 2/8; see score merge',
    },
  },
);

export const scoredDataSettings = table(
  { group: 'Data', determines: true },
  {
    data: {
      schema: listOf(text),
      path: true,
      repeatable: true,
      describe:
        'FILE, FOLDER or "PATTERN*", or NAME= before it (JSONL, JSON, CSV, Parquet, text; --data=- for a pipe)',
    },
  },
);

/** What a scoring may cost, or lose. */
export const scorePaceSettings = table(
  { group: 'Scoring', determines: false },
  {
    maxRejected: { schema: whole(0), default: 1000, describe: 'End if more records cannot be scored' },
    checkpointSeconds: { schema: whole(0, 86_400), default: 30, describe: 'Time between checkpoints' },
  },
);

export const showSettings = table(
  { group: 'Scoring', determines: false },
  {
    by: {
      schema: oneOf(RANKINGS).nullable(),
      default: null,
      otherwise: 'cohens_d, or variance without corrupted prompts',
      describe: 'What the strongest directions are strongest in',
    },
    top: { schema: whole(1), default: 20, describe: 'Directions of each data set' },
  },
);
