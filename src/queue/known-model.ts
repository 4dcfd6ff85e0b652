/** A model as jobs name it: by content. */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TOKENIZER_FILES } from '../formats/tokenizer-files.js';
import { weightBytes } from '../forward/model-cost.js';
import type { Architecture } from '../models/architecture.js';
import type { LongCall } from '../progress.js';
import { withSubject } from '../run/subject.js';
import type { JobModel } from './job.js';

export interface KnownModel {
  architecture: Architecture;
  identity: JobModel;
  /** Of its weights as float32. */
  weightBytes: number;
}

/** Opens a model, hashes what a job reads of it, and closes it again. */
export function inspectModel(path: string, call: LongCall = {}): Promise<KnownModel> {
  return withSubject(path, { form: 'reference', bos: 'auto', ...call }, async ({ source, model }) => {
    const { architecture } = model;
    return {
      architecture,
      identity: { name: source.id, hash: await model.hash(), tokenizer: await tokenizerHash(source.folder) },
      weightBytes: weightBytes(architecture),
    };
  });
}

async function tokenizerHash(folder: string): Promise<string | null> {
  const present = TOKENIZER_FILES.filter((name) => existsSync(join(folder, name)));
  if (!present.includes('tokenizer.json')) return null;
  const hash = createHash('sha256');
  for (const name of present) hash.update(`${name}\n`).update(await readFile(join(folder, name)));
  return hash.digest('hex');
}
