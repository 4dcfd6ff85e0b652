/** What every file of evidence says of how it was measured: its schema. */
import { z } from 'zod';
import { sha256 } from '../formats/file-hash.js';

export const measuredHow = {
  model: z.object({ id: z.string(), hash: sha256 }),
  weight_form: z.string(),
  positions: z.string(),
  replacement: z.string(),
  seed: z.number(),
};

/** How bootstrap intervals were drawn. */
export const intervals = { level: z.number(), resamples: z.number() };
