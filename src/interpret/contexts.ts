/** Where in large data sets directions were strongest, from a folder of scores. */
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { readManifest } from '../formats/manifest.js';
import type { Model } from '../models/weights.js';
import { readExamples } from '../score/read-tables.js';
import type { StrongContext } from './readings.js';

/** Contexts that are kept of each direction. */
const KEPT = 5;

/**
 * @param folder as `score` leaves it
 * @param wanted names of directions
 * @returns by direction, the largest coefficients by magnitude first
 * @throws InputError if the scores are of another model, or there are none
 */
export async function strongContexts(
  folder: string,
  model: Model,
  wanted: ReadonlySet<string>,
): Promise<Map<string, StrongContext[]>> {
  const { model: scored } = await readManifest(join(folder, 'manifest.json'));
  if (scored.hash !== (await model.hash()))
    throw new InputError(`--scores ${folder}: are of another model (${scored.id}); score this one`);
  const found = new Map<string, StrongContext[]>();
  const examples = await readExamples(folder, (_, direction) => wanted.has(direction));
  for (const { direction, context, value } of examples)
    found.set(direction, [...(found.get(direction) ?? []), { text: context.join(''), value }]);
  for (const [direction, contexts] of found)
    found.set(direction, contexts.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, KEPT));
  return found;
}
