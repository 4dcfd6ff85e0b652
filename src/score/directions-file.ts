/** `directions.json` of a shard: what its states belong to, so that shards can be joined without the model. */
import { z } from 'zod';
import { writeJson } from '../formats/atomic-file.js';
import { readJson } from '../formats/json-file.js';
import { inputErrorOf } from '../formats/schema-error.js';
import { KINDS } from '../settings/choices.js';
import type { ScoredDirection } from './bases.js';

const schema = z.strictObject({
  schema_version: z.literal(1),
  examples: z.int().nonnegative(),
  context: z.int().positive(),
  directions: z.array(
    z.strictObject({
      component: z.strictObject({
        name: z.string(),
        kind: z.enum(KINDS),
        layer: z.int().nonnegative(),
        head: z.int().nonnegative().optional(),
      }),
      index: z.int().nonnegative(),
      sigma: z.number().nonnegative(),
      clustered: z.boolean(),
    }),
  ),
  /** One a direction; null where no run gave any. */
  masks: z.array(z.number().min(0).max(1)).nullable(),
});

/** What the tables need besides the states. */
export interface ScoredWith {
  directions: ScoredDirection[];
  masks: Float32Array | null;
  sizes: { examples: number; context: number };
}

export function writeScoredWith(path: string, { directions, masks, sizes }: ScoredWith): Promise<void> {
  return writeJson(path, { schema_version: 1, ...sizes, directions, masks: masks && [...masks] });
}

/** @throws InputError if the file is missing or is not what {@link writeScoredWith} writes */
export async function readScoredWith(path: string): Promise<ScoredWith> {
  const content = await readJson(path);
  const result = schema.safeParse(content);
  if (!result.success) throw inputErrorOf(result.error, path, content);
  const { directions, masks, examples, context } = result.data;
  return { directions, masks: masks && Float32Array.from(masks), sizes: { examples, context } };
}
