/** Writes a generated task as files of prompt pairs, one a split. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { makeFolder } from '../formats/make-folder.js';
import { writePromptPairs } from '../formats/prompt-pairs.js';
import { SPLITS } from './splits.js';
import type { GeneratedTask } from './tasks.js';

/**
 * Writes `train.jsonl`, `validation.jsonl` and `test.jsonl` into the folder, splits without pairs left out.
 * @returns the paths written
 * @throws InputError if one of the files is there already
 */
export async function writeTask(folder: string, task: GeneratedTask): Promise<string[]> {
  const files = SPLITS.filter((split) => task.splits[split].length > 0).map((split) => ({
    path: join(folder, `${split}.jsonl`),
    pairs: task.splits[split],
  }));
  const present = files.find(({ path }) => existsSync(path));
  if (present) throw new InputError(`${present.path}: exists already; give another folder`);
  await makeFolder(folder);
  for (const { path, pairs } of files) await writePromptPairs(path, pairs);
  return files.map(({ path }) => path);
}
